package iommu.common.dma;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import java.util.Arrays;

/**
 * A private, direct-mapped cache of translations: one array for 4 KiB pages, one for pages of 2 MiB and more. Owned by
 * one port, touched only inside its epoch.
 *
 * <p>A key is the IOVA of a page and, in the bits inside the page, a generation, so that forgetting everything is an addition,
 * and the {@link iommufd.api.DmaAccess} bits that need no walk; the write bit is only set once the entry needs no dirty mark any
 * more. After it comes the bare physical address, so that nothing but an addition lies between its load and the bytes.
 */
public final class Iotlb {
    /** What {@link #lookup} answers for a miss. */
    public static final long MISS = -1L;
    /** log2 of the pages of the first array. */
    public static final int SMALL_PAGE_LG2 = 12;
    /** log2 of the pages of the second array. */
    public static final int LARGE_PAGE_LG2 = 21;

    private static final int SMALL_ENTRIES = 2048;
    private static final int LARGE_ENTRIES = 256;
    private static final long SMALL_INSIDE = (1L << SMALL_PAGE_LG2) - 1;
    private static final long LARGE_INSIDE = (1L << LARGE_PAGE_LG2) - 1;
    private static final long ACCESS_BITS = READ_BIT | WRITE_BIT;
    private static final long GENERATION = ACCESS_BITS + 1;
    /** Beyond this many pages it is cheaper to forget everything. */
    private static final long MAX_SINGLE_DROPS = 64;

    private final long[] small = new long[2 * SMALL_ENTRIES];
    private final long[] large = new long[2 * LARGE_ENTRIES];
    /** Never 0, so an empty entry matches nothing. */
    private long generation = GENERATION;

    /**
     * Translates.
     *
     * @param accessBit the one {@link iommufd.api.DmaAccess} bit that is needed
     * @return the physical address, or {@link #MISS}
     */
    public long lookup(long iova, int accessBit) {
        return lookup(small, iova, accessBit);
    }

    /** {@link #lookup(long, int)} for a caller that has {@link #small} at hand. */
    long lookup(long[] entries, long iova, int accessBit) {
        int index = smallIndex(iova);
        if (differ(entries[index], iova & ~SMALL_INSIDE, accessBit)) {
            return lookupLarge(iova, accessBit);
        }
        return entries[index + 1] | iova & SMALL_INSIDE;
    }

    private long lookupLarge(long iova, int accessBit) {
        int index = largeIndex(iova);
        if (differ(large[index], iova & ~LARGE_INSIDE, accessBit)) {
            return MISS;
        }
        return large[index + 1] | iova & LARGE_INSIDE;
    }

    /** Whether {@code key} is of another page or generation, or lacks the access. */
    private boolean differ(long key, long page, int accessBit) {
        return ((key ^ (page | generation | accessBit)) & ~(ACCESS_BITS ^ accessBit)) != 0;
    }

    /** Whether {@code key} is of this page and generation. */
    private boolean isOf(long page, long key) {
        return (key & ~ACCESS_BITS) == (page | generation);
    }

    private static int smallIndex(long iova) {
        return ((int) (iova >>> SMALL_PAGE_LG2) & SMALL_ENTRIES - 1) << 1;
    }

    private static int largeIndex(long iova) {
        return ((int) (iova >>> LARGE_PAGE_LG2) & LARGE_ENTRIES - 1) << 1;
    }

    /** The entries of the small pages. */
    long[] small() {
        return small;
    }

    /**
     * Remembers a translation.
     *
     * @param physicalAddress of {@code iova} itself
     * @param pageLg2 size of the page table entry it came from, 12 or more
     * @param accessBits what needs no further walk
     */
    public void remember(long iova, long physicalAddress, int pageLg2, int accessBits) {
        long page = iova & ~SMALL_INSIDE;
        int smallIndex = smallIndex(iova);
        if (pageLg2 >= LARGE_PAGE_LG2) {
            int index = largeIndex(iova);
            large[index] = iova & ~LARGE_INSIDE | generation | accessBits;
            large[index + 1] = physicalAddress & ~LARGE_INSIDE;
            if (isOf(page, small[smallIndex])) {
                small[smallIndex] = 0;   // what it allows may be less
            }
            return;
        }
        small[smallIndex] = page | generation | accessBits;
        small[smallIndex + 1] = physicalAddress & ~SMALL_INSIDE;
    }

    /** Forgets every page that overlaps {@code [first, last]}. */
    public void forget(long first, long last) {
        long pages = (last >>> SMALL_PAGE_LG2) - (first >>> SMALL_PAGE_LG2);
        if (Long.compareUnsigned(pages, MAX_SINGLE_DROPS) > 0) {
            forgetEverything();
            return;
        }
        for (long number = 0; number <= pages; number++) {
            long page = (first & ~SMALL_INSIDE) + (number << SMALL_PAGE_LG2);
            if (isOf(page, small[smallIndex(page)])) {
                small[smallIndex(page)] = 0;
            }
        }
        for (long number = first >>> LARGE_PAGE_LG2; number <= last >>> LARGE_PAGE_LG2; number++) {
            long page = number << LARGE_PAGE_LG2;
            if (isOf(page, large[largeIndex(page)])) {
                large[largeIndex(page)] = 0;
            }
        }
    }

    /** Forgets all pages. */
    public void forgetEverything() {
        generation = generation + GENERATION & SMALL_INSIDE;
        if (generation == 0) {
            Arrays.fill(small, 0);
            Arrays.fill(large, 0);
            generation = GENERATION;
        }
    }
}
