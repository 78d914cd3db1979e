package iommu.vtd.unit;

/** Kinds and tags of what the unit publishes to its ports. A tag is domain-id 15:0, PASID or function mask from 16, source-id from 40. */
final class Invalidation {
    /** Everything: the root table or the enable changed. */
    static final int EVERYTHING = 0;
    static final int CONTEXT_ALL = 1;
    static final int CONTEXT_DOMAIN = 2;
    static final int CONTEXT_DEVICE = 3;
    static final int PASID_ALL = 4;
    static final int PASID_DOMAIN = 5;
    static final int PASID_SELECTIVE = 6;
    static final int IOTLB_ALL = 7;
    static final int IOTLB_DOMAIN = 8;
    static final int IOTLB_PAGES = 9;
    static final int FIRST_STAGE_PASID = 10;
    static final int FIRST_STAGE_PAGES = 11;

    private static final int UPPER_SHIFT = 16;
    private static final int SOURCE_SHIFT = 40;

    private Invalidation() {}

    static long tag(int domainId, int pasid) {
        return domainId | (long) pasid << UPPER_SHIFT;
    }

    static long deviceTag(int domainId, int sourceId, int functionMask) {
        return domainId | (long) functionMask << UPPER_SHIFT | (long) sourceId << SOURCE_SHIFT;
    }

    static int domainId(long tag) {
        return (int) tag & 0xFFFF;
    }

    static int pasid(long tag) {
        return (int) (tag >>> UPPER_SHIFT) & 0xF_FFFF;
    }

    /** Whether a device-selective invalidation covers {@code sourceId}; mask n hides the n highest function bits (Table 21). */
    static boolean coversSource(long tag, int sourceId) {
        int functionMask = (int) (tag >>> UPPER_SHIFT) & 3;
        int hidden = 7 & 7 << 3 - functionMask;
        return (((int) (tag >>> SOURCE_SHIFT) ^ sourceId) & 0xFFFF & ~hidden) == 0;
    }
}
