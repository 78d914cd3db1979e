package iommu.smmuv3.format;

/**
 * VMSAv8-64 translation table descriptor (Arm ARM DDI 0487, §D8.3): 64 bits. Levels count from the leaves here: level 0 is the
 * architecture's level 3.
 */
public final class TranslationDescriptor {
    /** Something is there. */
    public static final long VALID = 1;
    /** Above level 0: a table; at level 0: a page. Clear: a block, or reserved at level 0. */
    public static final long TABLE_OR_PAGE = 2;
    /** Stage 1: unprivileged requests may access. */
    public static final long AP_UNPRIVILEGED = 1L << 6;
    /** Stage 1: no writes (AP[2]). */
    public static final long AP_READ_ONLY = 1L << 7;
    /** Stage 2: reads (S2AP[0]). */
    public static final long S2AP_READ = 1L << 6;
    /** Stage 2: writes (S2AP[1]). */
    public static final long S2AP_WRITE = 1L << 7;
    /** Shift of the memory attributes: index (stage 1) or themselves (stage 2). */
    public static final int ATTRIBUTE_INDEX_SHIFT = 2;
    /** Shift of the shareability, 2 bits. */
    public static final int SH_SHIFT = 8;
    /** Inner shareable. */
    public static final long SH_INNER = 3L << 8;
    /** Access flag. */
    public static final long AF = 1L << 10;
    /** Stage 1: only for its ASID. */
    public static final long NOT_GLOBAL = 1L << 11;
    /** Stage 2: normal write-back memory. */
    public static final long S2_MEMATTR_NORMAL = 0xfL << 2;
    /** Stage 2: both bits clear for any device memory type. */
    public static final long S2_MEMATTR_KIND = 3L << 4;
    /** Dirty bit modifier: read-only means clean where hardware keeps the dirty state. */
    public static final long DBM = 1L << 51;
    /** Stage 1: privileged requests must not execute (PXN). */
    public static final long PRIVILEGED_NEVER_EXECUTE = 1L << 53;
    /** Stage 2: XN[0], which with XN[1] tells privileged execution from other. */
    public static final long S2_EXECUTE_NEVER_LOW = 1L << 53;
    /** No execution: of unprivileged requests (UXN), of all where there is one kind (XN), or XN[1] of stage 2. */
    public static final long NEVER_EXECUTE = 1L << 54;
    /** One of a run of equal entries. */
    public static final long CONTIGUOUS = 1L << 52;
    /** Stage 1 table: no privileged execution below (PXNTable). */
    public static final long TABLE_PRIVILEGED_NEVER_EXECUTE = 1L << 59;
    /** Stage 1 table: no unprivileged execution below (UXNTable), or none at all (XNTable). */
    public static final long TABLE_NEVER_EXECUTE = 1L << 60;
    /** Stage 1 table: nothing unprivileged below (APTable[0]). */
    public static final long TABLE_NO_UNPRIVILEGED = 1L << 61;
    /** Stage 1 table: no writes below (APTable[1]). */
    public static final long TABLE_READ_ONLY = 1L << 62;
    /** Addresses of at most 48 bits; low bits by granule and level. */
    public static final long ADDRESS = 0x0000_FFFF_FFFF_F000L;

    /** log2 of the largest granule, the only one with addresses of 52 bits here. */
    public static final int LARGEST_GRANULE_LG2 = 16;
    /** Bits 51:48 of an address of 52 bits, where 64 KiB descriptors have them. */
    private static final long HIGH_ADDRESS = 0xf000L;
    private static final int HIGH_ADDRESS_SHIFT = 36;

    private TranslationDescriptor() {}

    /** The address a descriptor holds. @param wide whether it has bits 51:48 in its bits 15:12 */
    public static long address(long entry, boolean wide) {
        long low = entry & ADDRESS;
        return wide ? low & ~HIGH_ADDRESS | (entry & HIGH_ADDRESS) << HIGH_ADDRESS_SHIFT : low;
    }

    /** As {@link #maxBlockLevel(int)}; 4 TiB with addresses of 52 bits. */
    public static int maxBlockLevel(int granuleLg2, boolean wide) {
        return wide ? 2 : maxBlockLevel(granuleLg2);
    }

    /** Index bits of one table: entries of 8 bytes fill a granule. */
    public static int strideLg2(int granuleLg2) {
        return granuleLg2 - 3;
    }

    /** Highest level with blocks: 1 GiB for 4K, 32 MiB for 16K, 512 MiB for 64K (no 52-bit addresses). */
    public static int maxBlockLevel(int granuleLg2) {
        return granuleLg2 == 12 ? 2 : 1;
    }
}
