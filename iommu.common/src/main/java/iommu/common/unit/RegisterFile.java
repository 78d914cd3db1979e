package iommu.common.unit;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Storage of a unit's memory-mapped registers. What software may change is data, given by {@link #define64}; effects are the
 * unit's, after the store. Any thread reads and puts; a whole write by software is guarded by the unit's lock.
 */
public final class RegisterFile {
    /** 64-bit words, because arrays of bytes have no atomic access. */
    private final AtomicLongArray values;
    private final long[] afterReset;
    private final long[] writable;
    private final long[] clearOnOne;

    /** @param sizeBytes size of the register page or pages, a multiple of 8; everything is read-only 0 at first */
    public RegisterFile(int sizeBytes) {
        values = new AtomicLongArray(sizeBytes >>> 3);
        afterReset = new long[sizeBytes >>> 3];
        writable = new long[sizeBytes >>> 3];
        clearOnOne = new long[sizeBytes >>> 3];
    }

    /**
     * Describes a 64-bit register.
     *
     * @param reset value after reset
     * @param writableMask bits software may set freely
     * @param clearOnOneMask bits software clears by writing 1 (RW1C)
     */
    public void define64(int offset, long reset, long writableMask, long clearOnOneMask) {
        values.set(offset >>> 3, reset);
        afterReset[offset >>> 3] = reset;
        writable[offset >>> 3] = writableMask;
        clearOnOne[offset >>> 3] = clearOnOneMask;
    }

    /** Describes a 32-bit register; see {@link #define64}. */
    public void define32(int offset, int reset, int writableMask, int clearOnOneMask) {
        put32(offset, reset);
        afterReset[offset >>> 3] = withHalf(afterReset[offset >>> 3], offset, reset);
        writable[offset >>> 3] = withHalf(writable[offset >>> 3], offset, writableMask);
        clearOnOne[offset >>> 3] = withHalf(clearOnOne[offset >>> 3], offset, clearOnOneMask);
    }

    /** All registers are as they were defined. */
    public void reset() {
        for (int i = 0; i < afterReset.length; i++) {
            values.set(i, afterReset[i]);
        }
    }

    /** Size of the register space. */
    public int sizeBytes() {
        return writable.length << 3;
    }

    /** What software or the unit reads; {@code offset} is a multiple of 4. */
    public int get32(int offset) {
        return half(values.get(offset >>> 3), offset);
    }

    /** What software or the unit reads; {@code offset} is a multiple of 8. */
    public long get64(int offset) {
        return values.get(offset >>> 3);
    }

    /** The unit changes a register; masks do not apply. */
    public void put32(int offset, int value) {
        int index = offset >>> 3;
        long word = values.get(index);
        while (!values.compareAndSet(index, word, withHalf(word, offset, value))) {
            word = values.get(index);
        }
    }

    /** The unit changes a register; masks do not apply. */
    public void put64(int offset, long value) {
        values.set(offset >>> 3, value);
    }

    /** Software writes. @return the value now stored */
    public int write32(int offset, int value) {
        int mask = half(writable[offset >>> 3], offset);
        int cleared = value & half(clearOnOne[offset >>> 3], offset);
        int stored = (get32(offset) & ~mask | value & mask) & ~cleared;
        put32(offset, stored);
        return stored;
    }

    /** Software writes. @return the value now stored */
    public long write64(int offset, long value) {
        long mask = writable[offset >>> 3];
        long cleared = value & clearOnOne[offset >>> 3];
        long stored = (get64(offset) & ~mask | value & mask) & ~cleared;
        put64(offset, stored);
        return stored;
    }

    private static int half(long word, int offset) {
        return (int) (word >>> (offset & 4) * 8);
    }

    private static long withHalf(long word, int offset, int value) {
        int shift = (offset & 4) * 8;
        return word & ~(0xffff_ffffL << shift) | (value & 0xffff_ffffL) << shift;
    }
}
