package iommu.vtd.unit;

import iommu.common.dma.Iotlb;

/**
 * Pages that were refused, in caching mode (§6.1): a guest's driver must invalidate before it can use what it has mapped there.
 * Direct-mapped; belongs to one port.
 */
final class RefusedPages {
    private static final int ENTRIES = 64;
    private static final long INSIDE = (1L << Iotlb.SMALL_PAGE_LG2) - 1;

    /** A page and the access that was refused; -1 if empty. */
    private final long[] keys = new long[ENTRIES];
    private final int[] reasons = new int[ENTRIES];

    RefusedPages() {
        forgetEverything();
    }

    /** The reason remembered, or 0. */
    int lookup(long iova, int access) {
        int index = index(iova);
        return keys[index] == (iova & ~INSIDE | access) ? reasons[index] : 0;
    }

    void remember(long iova, int access, int reason) {
        int index = index(iova);
        keys[index] = iova & ~INSIDE | access;
        reasons[index] = reason;
    }

    void forget(long first, long last) {
        for (int i = 0; i < ENTRIES; i++) {
            long page = keys[i] & ~INSIDE;
            if (Long.compareUnsigned(page | INSIDE, first) >= 0 && Long.compareUnsigned(page, last) <= 0) {
                keys[i] = -1;
            }
        }
    }

    void forgetEverything() {
        java.util.Arrays.fill(keys, -1);
    }

    private static int index(long iova) {
        return (int) (iova >>> Iotlb.SMALL_PAGE_LG2) & ENTRIES - 1;
    }
}
