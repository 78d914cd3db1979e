package vmm.qtest.board;

/**
 * Configuration space of a conventional PCI function, header type 0 (PCI Local Bus 3.0, §6.1, §6.2, §6.8.1): what software may change
 * is a mask. Guarded by the board's lock.
 */
public final class ConfigSpace {
    /** Its size; what an enhanced access finds beyond reads as ones. */
    public static final int BYTES = 256;

    static final int VENDOR = 0x00;
    static final int DEVICE = 0x02;
    static final int COMMAND = 0x04;
    static final int STATUS = 0x06;
    static final int REVISION = 0x08;
    static final int CLASS_CODE = 0x09;
    static final int CACHE_LINE_SIZE = 0x0c;
    static final int BAR_0 = 0x10;
    static final int SUBSYSTEM_VENDOR = 0x2c;
    static final int SUBSYSTEM = 0x2e;
    static final int CAPABILITIES = 0x34;
    static final int INTERRUPT_LINE = 0x3c;
    static final int INTERRUPT_PIN = 0x3d;
    /** Where the only capability is. */
    static final int MSI = 0x40;
    static final int MSI_CONTROL = MSI + 2;
    static final int MSI_ADDRESS = MSI + 4;
    static final int MSI_ADDRESS_HIGH = MSI + 8;
    static final int MSI_DATA = MSI + 12;

    static final int COMMAND_MEMORY = 1 << 1;
    static final int COMMAND_BUS_MASTER = 1 << 2;
    static final int COMMAND_INTX_DISABLE = 1 << 10;
    /** I/O, memory, bus master, parity error response, SERR#, interrupt disable. */
    private static final int COMMAND_WRITABLE = 0x0547;
    private static final int STATUS_CAPABILITIES = 1 << 4;
    private static final int STATUS_INTERRUPT = 1 << 3;
    private static final int CAPABILITY_ID_MSI = 0x05;
    static final int MSI_ENABLE = 1;
    private static final int MSI_64_BIT = 1 << 7;
    /** What QEMU puts there, and drivers look at. */
    private static final int SUBSYSTEM_IDS = 0x1100_1af4;

    private final byte[] bytes = new byte[BYTES];
    private final byte[] writable = new byte[BYTES];
    private final byte[] afterReset;

    /**
     * After reset.
     *
     * @param barBytes size of its 32-bit memory BAR 0, a power of two; 0 for none
     * @param interruptPin 1 for INTA#, 0 for none
     * @param msi whether it has one MSI vector, with 64-bit addresses
     */
    ConfigSpace(PciIds ids, int barBytes, int interruptPin, boolean msi) {
        put(VENDOR, 2, ids.vendor());
        put(DEVICE, 2, ids.device());
        put(REVISION, 1, ids.revision());
        put(CLASS_CODE, 3, ids.classCode());
        put(SUBSYSTEM_VENDOR, 4, SUBSYSTEM_IDS);
        put(INTERRUPT_PIN, 1, interruptPin);
        mask(COMMAND, 2, COMMAND_WRITABLE);
        mask(CACHE_LINE_SIZE, 1, 0xff);
        mask(INTERRUPT_LINE, 1, 0xff);
        if (barBytes > 0) {
            mask(BAR_0, 4, -barBytes);
        }
        if (msi) {
            put(STATUS, 2, STATUS_CAPABILITIES);
            put(CAPABILITIES, 1, MSI);
            put(MSI, 1, CAPABILITY_ID_MSI);
            put(MSI_CONTROL, 2, MSI_64_BIT);
            mask(MSI_CONTROL, 2, MSI_ENABLE);
            mask(MSI_ADDRESS, 4, ~3);
            mask(MSI_ADDRESS_HIGH, 4, -1);
            mask(MSI_DATA, 2, 0xffff);
        }
        afterReset = bytes.clone();
    }

    /** A register that the constructor's parts do not cover: its value, and what of it software may change. */
    ConfigSpace with(int offset, int width, long value, long writableBits) {
        put(offset, width, value);
        mask(offset, width, writableBits);
        System.arraycopy(bytes, 0, afterReset, 0, BYTES);
        return this;
    }

    /** Reads {@code width} bytes, little-endian; ones beyond its end. */
    long read(int offset, int width) {
        long value = 0;
        for (int i = 0; i < width; i++) {
            long next = offset + i < BYTES ? bytes[offset + i] & 0xff : 0xff;
            value |= next << i * Byte.SIZE;
        }
        return value;
    }

    /** Writes what may be changed of {@code width} bytes. */
    void write(int offset, int width, long value) {
        for (int i = 0; i < width && offset + i < BYTES; i++) {
            int bits = writable[offset + i];
            bytes[offset + i] = (byte) (bytes[offset + i] & ~bits | value >>> i * Byte.SIZE & bits);
        }
    }

    /** Status: whether an interrupt is pending, whatever carries it. */
    void interruptPending(boolean pending) {
        long status = read(STATUS, 2);
        put(STATUS, 2, pending ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT);
    }

    void reset() {
        System.arraycopy(afterReset, 0, bytes, 0, BYTES);
    }

    /** Whether all of these bits of a 16-bit register are set. */
    boolean has(int offset, int bits) {
        return (read(offset, 2) & bits) == bits;
    }

    @Override
    public String toString() {
        return "%04x:%04x".formatted(read(VENDOR, 2), read(DEVICE, 2));
    }

    private void put(int offset, int width, long value) {
        for (int i = 0; i < width; i++) {
            bytes[offset + i] = (byte) (value >>> i * Byte.SIZE);
        }
    }

    private void mask(int offset, int width, long bits) {
        for (int i = 0; i < width; i++) {
            writable[offset + i] = (byte) (bits >>> i * Byte.SIZE);
        }
    }
}
