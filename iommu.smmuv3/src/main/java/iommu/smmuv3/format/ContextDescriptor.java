package iommu.smmuv3.format;

/** Context descriptor and level 1 context descriptor (IHI 0070, §5.3 and §5.4): eight words and one. */
public final class ContextDescriptor {
    /** Size of a descriptor. */
    public static final int BYTES = 64;
    /** log2 of {@link #BYTES}. */
    public static final int BYTES_LG2 = 6;
    /** Words of a descriptor. */
    public static final int WORDS = 8;

    /** Word 0: shift of T0SZ, 6 bits. */
    public static final int T0SZ_SHIFT = 0;
    /** Word 0: shift of TG0, 2 bits: 0 is 4K, 1 is 64K, 2 is 16K. */
    public static final int TG0_SHIFT = 6;
    /** Word 0: TTB0's tables are write-back cacheable and inner shareable (IR0, OR0, SH0). */
    public static final long TTB0_CACHEABLE = 1L << 8 | 1L << 10 | 3L << 12;
    /** Word 0: no walks from TTB0. */
    public static final long EPD0 = 1L << 14;
    /** Word 0: tables are big-endian. */
    public static final long ENDI = 1L << 15;
    /** Word 0: shift of T1SZ, 6 bits. */
    public static final int T1SZ_SHIFT = 16;
    /** Word 0: shift of TG1, 2 bits: 1 is 16K, 2 is 4K, 3 is 64K. */
    public static final int TG1_SHIFT = 22;
    /** Word 0: no walks from TTB1. */
    public static final long EPD1 = 1L << 30;
    /** Word 0: the descriptor is valid. */
    public static final long VALID = 1L << 31;
    /** Word 0: shift of IPS, 3 bits. */
    public static final int IPS_SHIFT = 32;
    /** Word 0: no fault for AF = 0. */
    public static final long AFFD = 1L << 35;
    /** Word 0: addresses below 2^55: the top byte is ignored. */
    public static final long TBI0 = 1L << 38;
    /** Word 0: addresses above: the top byte is ignored. */
    public static final long TBI1 = 1L << 39;
    /** Word 0: writable pages are not executable. */
    public static final long WXN = 1L << 36;
    /** Word 0: privileged requests do not access data that unprivileged ones may. */
    public static final long PAN = 1L << 40;
    /** Word 0: tables are VMSAv8-64. */
    public static final long AA64 = 1L << 41;
    /** Word 0: hardware updates the dirty state; needs {@link #HA}. */
    public static final long HD = 1L << 42;
    /** Word 0: hardware updates the access flag. */
    public static final long HA = 1L << 43;
    /** Word 0: faults stall. */
    public static final long S = 1L << 44;
    /** Word 0: faults are recorded. */
    public static final long R = 1L << 45;
    /** Word 0: faulting requests are aborted. */
    public static final long A = 1L << 46;
    /** Word 0: the ASID is not shared with processors. */
    public static final long ASET = 1L << 47;
    /** Word 0: shift of the ASID. */
    public static final int ASID_SHIFT = 48;
    /** Words 1 and 2: permissions in table descriptors are ignored. */
    public static final long HAD = 1L << 1;
    /** Words 1 and 2: no unprivileged access. */
    public static final long E0PD = 1L << 2;
    /** Words 1 and 2: translation tables. */
    public static final long TTB = 0x00FF_FFFF_FFFF_FFF0L;
    /** Word 3: memory attributes; index 0 is normal write-back memory, index 1 device memory. */
    public static final long MAIR = 0x04FFL;

    /** Level 1 descriptor: valid. */
    public static final long L1_VALID = 1;
    /** Level 1 descriptor: the leaf. */
    public static final long L1_POINTER = 0x00FF_FFFF_FFFF_F000L;
    /** log2 of the descriptors of a 4 KiB leaf. */
    public static final int LEAF_4K_LG2 = 6;
    /** log2 of the descriptors of a 64 KiB leaf. */
    public static final int LEAF_64K_LG2 = 10;

    private ContextDescriptor() {}

    /** log2 of the granule that TG0 or S2TG names, or 0 for the reserved value. */
    public static int granuleLg2(int tg0) {
        return switch (tg0) {
            case 0 -> 12;
            case 1 -> 16;
            case 2 -> 14;
            default -> 0;
        };
    }

    /** log2 of the granule that TG1 names, or 0 for the reserved value; the encoding differs from TG0's. */
    public static int granule1Lg2(int tg1) {
        return switch (tg1) {
            case 1 -> 14;
            case 2 -> 12;
            case 3 -> 16;
            default -> 0;
        };
    }

    /** TG0 or S2TG of a granule. */
    public static long tg0(int granuleLg2) {
        return switch (granuleLg2) {
            case 14 -> 2;
            case 16 -> 1;
            default -> 0;
        };
    }

    /** Bits of an address that IPS, S2PS or OAS allows; larger values are as 52 bits, the most this model has. */
    public static int addressBits(int encoded) {
        return switch (encoded) {
            case 0 -> 32;
            case 1 -> 36;
            case 2 -> 40;
            case 3 -> 42;
            case 4 -> 44;
            case 5 -> 48;
            default -> 52;
        };
    }
}
