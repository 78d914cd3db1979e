package vmm.qtest.board;

/**
 * I/O ports of a PC: configuration mechanism #1 (PCI Local Bus 3.0, §3.2.2.3.2) and nothing else. Guarded by the board's lock.
 */
final class IoPorts {
    private static final int CONFIG_ADDRESS = 0xcf8;
    private static final int CONFIG_DATA = 0xcfc;
    private static final int CONFIG_DATA_BYTES = 4;
    private static final int ENABLE = 1 << 31;
    /** Hardware has no bits 1:0. QEMU's has, and its libqos relies on it: it reads any register at the first data port. */
    private static final int ADDRESS_WRITABLE = ENABLE | 0x00ff_ffff;
    private static final long ONES = -1L;

    private final PciBus pci;
    private int address;

    IoPorts(PciBus pci) {
        this.pci = pci;
    }

    long read(int port, int bytes) {
        if (port == CONFIG_ADDRESS && bytes == Integer.BYTES) {
            return address & 0xffff_ffffL;
        }
        return isData(port, bytes) ? pci.readConfig(address >>> 16 & 0xff, address >>> 8 & 0xff, register(port), bytes) : ONES;
    }

    void write(int port, int bytes, long value) {
        if (port == CONFIG_ADDRESS && bytes == Integer.BYTES) {
            address = (int) value & ADDRESS_WRITABLE;
        } else if (isData(port, bytes)) {
            pci.writeConfig(address >>> 16 & 0xff, address >>> 8 & 0xff, register(port), bytes, value);
        }
    }

    void reset() {
        address = 0;
    }

    private boolean isData(int port, int bytes) {
        return (address & ENABLE) != 0 && port >= CONFIG_DATA && port + bytes <= CONFIG_DATA + CONFIG_DATA_BYTES;
    }

    private int register(int port) {
        return address & 0xff | port - CONFIG_DATA;
    }
}
