package iommu.smmuv3.unit;

/** Kinds of entries in a unit's invalidation log, and how their tags are made. */
final class SmmuInvalidation {
    /** All configuration and all translations of every stream: the unit was switched on or off. */
    static final int EVERYTHING = 0;
    /** Configuration of StreamIDs first to last, context descriptors included. */
    static final int STREAMS = 1;
    /** Context descriptor number first of the StreamID in the tag. */
    static final int CONTEXT = 2;
    /** All context descriptors of the StreamID in the tag. */
    static final int CONTEXTS = 3;
    /** All translations. */
    static final int TRANSLATIONS = 4;
    /** Stage 1 translations of a VMID. */
    static final int STAGE1 = 5;
    /** Stage 1 translations of a VMID and ASID. */
    static final int STAGE1_ASID = 6;
    /** Stage 1 translations of a VMID and ASID in a range. */
    static final int STAGE1_RANGE = 7;
    /** Stage 1 translations of a VMID and any ASID in a range. */
    static final int STAGE1_RANGE_ANY_ASID = 8;
    /** All translations of a VMID. */
    static final int BOTH_STAGES = 9;
    /** Stage 2 translations of a VMID in a range of intermediate addresses. */
    static final int STAGE2_RANGE = 10;

    private SmmuInvalidation() {}

    static long tag(int vmid, int asid) {
        return (long) vmid << 16 | asid;
    }

    static int vmid(long tag) {
        return (int) (tag >>> 16);
    }

    static int asid(long tag) {
        return (int) tag & 0xffff;
    }
}
