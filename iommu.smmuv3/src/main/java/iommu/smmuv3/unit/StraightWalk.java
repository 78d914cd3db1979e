package iommu.smmuv3.unit;

import static iommu.smmuv3.format.TranslationDescriptor.*;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;

/**
 * The short way to a leaf, which nearly all walks can go: tables that need nothing but following. Whoever gets {@link #NONE}
 * goes the careful way, which finds out why. Small, so that it is compiled into its callers.
 */
final class StraightWalk {
    /** Something is unusual; a leaf is never 0. */
    static final long NONE = 0;

    private long table;
    private int topShift;
    private int granuleLg2;
    private int stride;
    private long forbiddenInTables;
    private long forbiddenInLeaves;
    private long blockSizes;

    /** log2 of the page or block of the last leaf. */
    int pageLg2;

    /**
     * @param topLevel level of the top table, counted from the leaves
     * @param forbiddenAttributes bits of a table descriptor that need care
     */
    void configure(long topTable, int topLevel, int granule, int outputBits, long forbiddenAttributes) {
        table = topTable;
        granuleLg2 = granule;
        stride = strideLg2(granule);
        topShift = granule + topLevel * stride;
        forbiddenInLeaves = ADDRESS & -(1L << outputBits);
        forbiddenInTables = forbiddenInLeaves | forbiddenAttributes;
        blockSizes = 0;
        for (int level = 1; level <= maxBlockLevel(granule); level++) {
            blockSizes |= 1L << granule + level * stride;
        }
    }

    /** @param input inside the range of the tables. @return the leaf's descriptor, or {@link #NONE} */
    long leaf(long input) {
        long at = table;
        long remaining = input;
        for (int shift = topShift; ; shift -= stride) {
            long slot = at + (remaining >>> shift << 3);
            if (!HostMemory.isBacked(slot)) {
                return NONE;
            }
            long entry = PhysicalWords.get(slot);
            boolean tableOrPage = (entry & (VALID | TABLE_OR_PAGE)) == (VALID | TABLE_OR_PAGE);
            if (shift > granuleLg2 && tableOrPage) {
                if ((entry & forbiddenInTables) != 0) {
                    return NONE;
                }
                at = entry & ADDRESS & -(1L << granuleLg2);
                remaining &= (1L << shift) - 1;
                continue;
            }
            boolean leaf = shift == granuleLg2 ? tableOrPage : (entry & VALID) != 0 && (blockSizes >>> shift & 1) != 0;
            pageLg2 = shift;
            return leaf && (entry & forbiddenInLeaves) == 0 ? entry : NONE;
        }
    }

    /** The output address of a leaf that {@link #leaf} found for {@code input}. */
    long output(long leaf, long input) {
        long inside = (1L << pageLg2) - 1;
        return leaf & ADDRESS & ~inside | input & inside;
    }
}
