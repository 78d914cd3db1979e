package iommu.common.dma;

import java.util.Arrays;

/**
 * A private, direct-mapped cache of translations: one array for 4 KiB pages, one for pages of 2 MiB and more. Owned by one
 * port, touched only inside its epoch.
 *
 * <p>A tag is the IOVA's page number and, in its upper 12 bits, a generation, so that forgetting everything is an addition.
 * A value is a physical page address with {@link iommufd.api.DmaAccess} bits; the write bit is only set once the entry needs no
 * dirty mark any more.
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
    private static final long GENERATION = 1L << 52;
    private static final long SMALL_INSIDE = (1L << SMALL_PAGE_LG2) - 1;
    private static final long LARGE_INSIDE = (1L << LARGE_PAGE_LG2) - 1;
    /** Beyond this many pages it is cheaper to forget everything. */
    private static final long MAX_SINGLE_DROPS = 64;

    private final long[] small = new long[2 * SMALL_ENTRIES];
    private final long[] large = new long[2 * LARGE_ENTRIES];
    private long generation = GENERATION;

    /**
     * Translates.
     *
     * @param accessBit the one {@link iommufd.api.DmaAccess} bit that is needed
     * @return the physical address, or {@link #MISS}
     */
    public long lookup(long iova, int accessBit) {
        long page = iova >>> SMALL_PAGE_LG2;
        int index = ((int) page & SMALL_ENTRIES - 1) << 1;
        long[] entries = small;
        if (entries[index] == (page | generation)) {
            long value = entries[index + 1];
            if ((value & accessBit) != 0) {
                return value & ~SMALL_INSIDE | iova & SMALL_INSIDE;
            }
            return MISS;
        }
        return lookupLarge(iova, accessBit);
    }

    private long lookupLarge(long iova, int accessBit) {
        long page = iova >>> LARGE_PAGE_LG2;
        int index = ((int) page & LARGE_ENTRIES - 1) << 1;
        long[] entries = large;
        if (entries[index] == (page | generation)) {
            long value = entries[index + 1];
            if ((value & accessBit) != 0) {
                return value & ~LARGE_INSIDE | iova & LARGE_INSIDE;
            }
        }
        return MISS;
    }

    /**
     * Remembers a translation.
     *
     * @param physicalAddress of {@code iova} itself
     * @param pageLg2 size of the page table entry it came from, 12 or more
     * @param accessBits what needs no further walk
     */
    public void remember(long iova, long physicalAddress, int pageLg2, int accessBits) {
        long page = iova >>> SMALL_PAGE_LG2;
        int smallIndex = ((int) page & SMALL_ENTRIES - 1) << 1;
        if (pageLg2 >= LARGE_PAGE_LG2) {
            long largePage = iova >>> LARGE_PAGE_LG2;
            int index = ((int) largePage & LARGE_ENTRIES - 1) << 1;
            large[index] = largePage | generation;
            large[index + 1] = physicalAddress & ~LARGE_INSIDE | accessBits;
            if (small[smallIndex] == (page | generation)) {
                small[smallIndex] = 0;   // an entry of the same page with fewer rights would hide the large one
            }
            return;
        }
        small[smallIndex] = page | generation;
        small[smallIndex + 1] = physicalAddress & ~SMALL_INSIDE | accessBits;
    }

    /** Forgets every page that overlaps {@code [first, last]}. */
    public void forget(long first, long last) {
        long firstPage = first >>> SMALL_PAGE_LG2;
        long pages = (last >>> SMALL_PAGE_LG2) - firstPage;
        if (Long.compareUnsigned(pages, MAX_SINGLE_DROPS) > 0) {
            forgetEverything();
            return;
        }
        for (long page = firstPage; page <= firstPage + pages; page++) {
            int index = ((int) page & SMALL_ENTRIES - 1) << 1;
            if (small[index] == (page | generation)) {
                small[index] = 0;
            }
        }
        for (long page = first >>> LARGE_PAGE_LG2; page <= last >>> LARGE_PAGE_LG2; page++) {
            int index = ((int) page & LARGE_ENTRIES - 1) << 1;
            if (large[index] == (page | generation)) {
                large[index] = 0;
            }
        }
    }

    /** Forgets all pages. */
    public void forgetEverything() {
        generation += GENERATION;
        if (generation == 0) {
            Arrays.fill(small, 0);
            Arrays.fill(large, 0);
            generation = GENERATION;
        }
    }
}
