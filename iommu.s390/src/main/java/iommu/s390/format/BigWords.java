package iommu.s390.format;

import iommu.common.unit.PhysicalWords;

/** Aligned big-endian words in physical memory; otherwise as {@link PhysicalWords}. */
public final class BigWords {
    private BigWords() {}

    /** Reads a 64-bit word. */
    public static long get(long address) {
        return Long.reverseBytes(PhysicalWords.get(address));
    }

    /** Writes a 64-bit word. */
    public static void set(long address, long value) {
        PhysicalWords.set(address, Long.reverseBytes(value));
    }

    /** Reads a 32-bit word. */
    public static int getInt(long address) {
        return Integer.reverseBytes(PhysicalWords.getInt(address));
    }

    /** Writes a 32-bit word. */
    public static void setInt(long address, int value) {
        PhysicalWords.setInt(address, Integer.reverseBytes(value));
    }
}
