package vmm.qtest.board;

/** Registers at some place of the memory map. Little-endian; called with the board's lock held. */
public interface Mmio {
    /** Smallest access it takes; a smaller one reads as ones and writes nothing. */
    default int minBytes() {
        return 1;
    }

    /** Largest access it takes: 1, 2, 4 or 8. Larger ones arrive in pieces, at rising addresses. */
    default int maxBytes() {
        return Long.BYTES;
    }

    /**
     * Reads.
     *
     * @param offset from its start, a multiple of {@code bytes}
     * @param bytes a power of two from {@link #minBytes} to {@link #maxBytes}
     */
    long read(long offset, int bytes);

    /** Writes; see {@link #read}. */
    void write(long offset, int bytes, long value);
}
