package iommu.common.table;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.hardware.PagingDomain;

/**
 * The short way for one leaf below tables that are present, which most maps, unmaps and walks can go: one straight descent
 * with everything it needs in registers. It changes nothing and says so when anything is unusual; {@link RadixTable} then goes
 * the long way.
 */
final class SingleLeaf {
    /** {@link #unmap} found something unusual. */
    static final long UNUSUAL = -1;

    private final TablePool pool;
    private final long root;
    private final int topShift;
    private final int granuleLg2;
    private final int indexBits;
    private final long indexMask;
    private final long addressMask;
    private final long presentMask;
    private final long leafMask;
    private final long leafValue;
    private final boolean bigEndian;
    private final long inverted;
    private final long inputLast;
    private final long forbiddenOutput;
    private final long leafSizes;
    /** Leaves that do not stand in the top table, whose size may differ from that of the others; none if the others differ, too. */
    private final long shortSizes;
    private final long tableMask;
    /** Attribute bits of leaves of 2^n bytes at 4 * n + access. */
    private final long[] leafBits = new long[4 * Long.SIZE];

    SingleLeaf(TableFormat format, TablePool pool, long root) {
        this.pool = pool;
        this.root = root;
        granuleLg2 = format.shift[0];
        topShift = format.shift[format.levels - 1];
        indexBits = format.levels > 1 ? format.shift[1] - format.shift[0] : 0;
        indexMask = (1L << indexBits) - 1;
        addressMask = format.addressMask;
        presentMask = format.presentMask;
        leafMask = format.leafMask;
        leafValue = format.leafValue;
        bigEndian = format.bigEndian;
        inverted = format.inverted;
        inputLast = format.inputLast;
        forbiddenOutput = ~format.outputMask;
        leafSizes = format.pageSizes();
        shortSizes = format.regular ? leafSizes & (1L << topShift) - 1 : 0;
        tableMask = -(1L << format.tableBytesLg2[0]);
        for (int level = 0; level < format.levels; level++) {
            System.arraycopy(format.leafBits[level], 0, leafBits, 4 * format.shift[level], 4);
        }
    }

    private long get(long slot) {
        long word = PhysicalWords.get(slot);
        return bigEndian ? Long.reverseBytes(word) ^ inverted : word;
    }

    private void set(long slot, long entry) {
        PhysicalWords.set(slot, bigEndian ? Long.reverseBytes(entry ^ inverted) : entry);
    }

    private boolean pointsToTable(long entry, int shift) {
        return (entry & presentMask) != 0 && ((entry & leafMask) != leafValue || (leafSizes >>> shift & 1) == 0);
    }

    /** @return where the entry of the leaf stands, or {@link #UNUSUAL} if a table above it is missing or is a leaf */
    private long slot(long iova, int leafShift) {
        int shift = topShift;
        long slot = root + (iova >>> shift << 3);
        while (shift > leafShift) {
            long entry = get(slot);
            if (!pointsToTable(entry, shift)) {
                return UNUSUAL;
            }
            shift -= indexBits;
            slot = (entry & addressMask) + ((iova >>> shift & indexMask) << 3);
        }
        return slot;
    }

    /** Maps if the length is that of one leaf and its slot is free. @return whether it did */
    boolean map(long iova, long physicalAddress, long lengthBytes, DmaAccess access, boolean smallestOnly) {
        int lengthLg2 = Long.numberOfTrailingZeros(lengthBytes);
        if (lengthBytes != 1L << lengthLg2 || (lengthBytes & shortSizes) == 0 || smallestOnly && lengthLg2 != granuleLg2
                || ((iova | physicalAddress) & lengthBytes - 1 | iova & ~inputLast | physicalAddress & forbiddenOutput) != 0) {
            return false;
        }
        long slot = slot(iova, lengthLg2);
        if (slot == UNUSUAL || (get(slot) & presentMask) != 0) {
            return false;
        }
        set(slot, physicalAddress | leafBits[4 * lengthLg2 + access.bits()]);
        pool.addLive(slot & tableMask, 1);
        return true;
    }

    /** Unmaps if the range is that of one leaf. @return bytes that were mapped, or {@link #UNUSUAL} */
    long unmap(long iova, long lastIova) {
        long lengthBytes = lastIova - iova + 1;
        int lengthLg2 = Long.numberOfTrailingZeros(lengthBytes);
        if (lengthBytes != 1L << lengthLg2 || (lengthBytes & shortSizes) == 0
                || (iova & lengthBytes - 1 | iova & ~inputLast) != 0) {
            return UNUSUAL;
        }
        long slot = slot(iova, lengthLg2);
        if (slot == UNUSUAL) {
            return UNUSUAL;
        }
        long entry = get(slot);
        if ((entry & presentMask) == 0) {
            return 0;
        }
        if (lengthLg2 != granuleLg2 && (entry & leafMask) != leafValue) {
            return UNUSUAL;
        }
        set(slot, 0);
        pool.addLive(slot & tableMask, -1);
        return lengthBytes;
    }

    /** As {@link RadixTable#translate}; of a regular format. */
    long translate(long iova) {
        if ((iova & ~inputLast) != 0) {
            return PagingDomain.UNMAPPED;
        }
        int shift = topShift;
        long entry = get(root + (iova >>> shift << 3));
        while (shift > granuleLg2 && pointsToTable(entry, shift)) {
            shift -= indexBits;
            entry = get((entry & addressMask) + ((iova >>> shift & indexMask) << 3));
        }
        if ((entry & presentMask) == 0) {
            return PagingDomain.UNMAPPED;
        }
        long inside = (1L << shift) - 1;
        return entry & addressMask & ~inside | iova & inside;
    }

    /** As {@link RadixTable#leafBytes}; of a regular format. */
    long leafBytes(long iova) {
        if ((iova & ~inputLast) != 0) {
            return 0;
        }
        int shift = topShift;
        long entry = get(root + (iova >>> shift << 3));
        while (shift > granuleLg2 && pointsToTable(entry, shift)) {
            shift -= indexBits;
            entry = get((entry & addressMask) + ((iova >>> shift & indexMask) << 3));
        }
        return (entry & presentMask) == 0 ? 0 : 1L << shift;
    }
}
