package vmm.qtest.board;

/** Where a processor itself can send a message: an aligned write of a DWORD. */
record MessageRegisters(long address, MessageLog messages) implements Mmio {
    @Override
    public int maxBytes() {
        return Integer.BYTES;
    }

    @Override
    public long read(long offset, int bytes) {
        return 0;
    }

    @Override
    public void write(long offset, int bytes, long value) {
        if (bytes == Integer.BYTES) {
            messages.add(address + offset, (int) value);
        }
    }
}
