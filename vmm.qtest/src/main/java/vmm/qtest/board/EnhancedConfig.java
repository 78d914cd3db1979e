package vmm.qtest.board;

/** The enhanced configuration access mechanism (PCI Express 6.0, §7.2.2): 4 KiB for each function. */
record EnhancedConfig(PciBus pci) implements Mmio {
    private static final int BUS_SHIFT = 20;
    private static final int FUNCTION_SHIFT = 12;

    @Override
    public int maxBytes() {
        return Integer.BYTES;
    }

    @Override
    public long read(long offset, int bytes) {
        return pci.readConfig((int) (offset >>> BUS_SHIFT), (int) (offset >>> FUNCTION_SHIFT) & 0xff, (int) offset & 0xfff, bytes);
    }

    @Override
    public void write(long offset, int bytes, long value) {
        pci.writeConfig((int) (offset >>> BUS_SHIFT), (int) (offset >>> FUNCTION_SHIFT) & 0xff, (int) offset & 0xfff, bytes, value);
    }
}
