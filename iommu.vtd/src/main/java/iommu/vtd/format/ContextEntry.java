package iommu.vtd.format;

/** Context entry of legacy mode (§9.3): 128 bits per function. */
public final class ContextEntry {
    /** Size of an entry. */
    public static final int BYTES = 16;
    /** Low word: the entry is valid. */
    public static final long PRESENT = 1;
    /** Low word: faults are not recorded, also if the entry is absent. */
    public static final long FAULTS_SUPPRESSED = 1L << 1;
    /** Low word: lowest bit of the translation type. */
    public static final int TYPE_SHIFT = 2;
    /** Translation type: second stage, no device-TLB. */
    public static final int SECOND_STAGE = 0;
    /** Translation type: second stage, device-TLB allowed. */
    public static final int SECOND_STAGE_DEVICE_TLB = 1;
    /** Translation type: pass-through. */
    public static final int PASS_THROUGH = 2;
    /** Low word: must be 0; the pointer's part is ignored for pass-through. */
    public static final long LOW_RESERVED = 0xFF0;
    /** High word: address width, number of levels minus 2. */
    public static final long WIDTH = 7;
    /** High word: lowest bit of the domain-id. */
    public static final int DOMAIN_SHIFT = 8;
    /** High word: must be 0. */
    public static final long HIGH_RESERVED = -1L << 24 | 1L << 7;

    /** Translation type: reserved. */
    public static final int RESERVED_TYPE = 3;

    private ContextEntry() {}

    /** Low word of a present second-stage entry. */
    public static long secondStage(long table) {
        return PRESENT | table;
    }

    /** High word. */
    public static long domain(int domainId, int levels) {
        return (long) domainId << DOMAIN_SHIFT | levels - 2;
    }
}
