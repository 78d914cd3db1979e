package iommu.smmuv3.unit;

/**
 * Kinds of entries in a unit's invalidation log, and how their tags are made: ASID in bits 15:0, VMID in 31:16, and in 47:32 the
 * bits of VMIDs that count.
 */
final class SmmuInvalidation {
    /** All configuration and all translations of every stream: the unit was switched on or off. */
    static final int EVERYTHING = 0;
    /** Configuration of StreamIDs first to last, context descriptors included. */
    static final int STREAMS = 1;
    /** Context descriptor number first of the StreamID in the tag. */
    static final int CONTEXT = 2;
    /** All context descriptors of the StreamID in the tag. */
    static final int CONTEXTS = 3;
    /** All translations but a hypervisor's. */
    static final int TRANSLATIONS = 4;
    /** Stage 1 translations of a VMID. */
    static final int STAGE1 = 5;
    /** Stage 1 translations of a VMID and ASID. */
    static final int STAGE1_ASID = 6;
    /** Stage 1 translations of a VMID and ASID in a range, and those of any ASID that are global. */
    static final int STAGE1_RANGE = 7;
    /** Stage 1 translations of a VMID and any ASID in a range. */
    static final int STAGE1_RANGE_ANY_ASID = 8;
    /** All translations of a VMID. */
    static final int BOTH_STAGES = 9;
    /** Stage 2 translations of a VMID in a range of intermediate addresses. */
    static final int STAGE2_RANGE = 10;
    /** All translations of hypervisors. */
    static final int HYPERVISOR = 11;
    /** A hypervisor's translations of an ASID. */
    static final int HYPERVISOR_ASID = 12;
    /** A hypervisor's translations of an ASID, if it has ASIDs, in a range. */
    static final int HYPERVISOR_RANGE = 13;
    /** A hypervisor's translations of any ASID in a range. */
    static final int HYPERVISOR_RANGE_ANY_ASID = 14;

    private static final int ALL_VMID_BITS = 0xffff;

    private SmmuInvalidation() {}

    static long tag(int vmid, int asid) {
        return tag(vmid, asid, ALL_VMID_BITS);
    }

    static long tag(int vmid, int asid, int vmidBits) {
        return (long) vmidBits << 32 | (long) vmid << 16 | asid;
    }

    static boolean ofVmid(long tag, int vmid) {
        return (((int) (tag >>> 16) ^ vmid) & (int) (tag >>> 32) & ALL_VMID_BITS) == 0;
    }

    static int asid(long tag) {
        return (int) tag & 0xffff;
    }
}
