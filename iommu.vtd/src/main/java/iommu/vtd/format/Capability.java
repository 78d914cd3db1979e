package iommu.vtd.format;

/** Fields of the capability register (§11.4.2). */
public final class Capability {
    /** Domain-ids have 16 bits (ND = 110b). */
    public static final long DOMAIN_IDS_16_BITS = 6;
    /** Lowest bit of SAGAW; in it, bit n stands for second-stage tables of n + 2 levels. */
    public static final int LEVELS_SHIFT = 8;
    /** Lowest bit of MGAW: maximum guest address width minus 1. */
    public static final int ADDRESS_WIDTH_SHIFT = 16;
    /** ZLR: zero-length reads of write-only pages. */
    public static final long ZERO_LENGTH_READ = 1L << 22;
    /** Lowest bit of FRO: where the fault recording registers are, in units of 16 bytes. */
    public static final int FAULT_OFFSET_SHIFT = 24;
    /** SSLPS: second-stage leaves of 2 MiB and 1 GiB. */
    public static final long LARGE_PAGES = 3L << 34;
    /** PSI: page-selective IOTLB invalidation. */
    public static final long PAGE_SELECTIVE = 1L << 39;
    /** Lowest bit of NFR: number of fault recording registers minus 1. */
    public static final int FAULT_COUNT_SHIFT = 40;
    /** Lowest bit of MAMV: largest address mask of page-selective invalidation. */
    public static final int ADDRESS_MASK_SHIFT = 48;
    /** DWD and DRD: invalidation drains writes and reads. */
    public static final long DRAINING = 3L << 54;
    /** FS1GP: first-stage leaves of 1 GiB. */
    public static final long FIRST_STAGE_1G = 1L << 56;
    /** FS5LP: first-stage tables of 5 levels. */
    public static final long FIRST_STAGE_5_LEVELS = 1L << 60;
    /** ESRTPS: setting the root table pointer invalidates everything. */
    public static final long ENHANCED_SET_ROOT = 1L << 63;

    private Capability() {}

    /** Whether second-stage tables of that many levels can be used. */
    public static boolean supportsLevels(long capability, int levels) {
        return levels >= 3 && levels <= 5 && (capability >>> LEVELS_SHIFT + levels - 2 & 1) != 0;
    }

    /** Bits of the widest second-stage input address. */
    public static int addressBits(long capability) {
        return (int) (capability >>> ADDRESS_WIDTH_SHIFT & 0x3f) + 1;
    }

    /** Offset of the first fault recording register. */
    public static int faultOffset(long capability) {
        return (int) (capability >>> FAULT_OFFSET_SHIFT & 0x3ff) * 16;
    }

    /** Number of fault recording registers. */
    public static int faultCount(long capability) {
        return (int) (capability >>> FAULT_COUNT_SHIFT & 0xff) + 1;
    }

    /** Largest address mask of a page-selective invalidation. */
    public static int maxAddressMask(long capability) {
        return (int) (capability >>> ADDRESS_MASK_SHIFT & 0x3f);
    }
}
