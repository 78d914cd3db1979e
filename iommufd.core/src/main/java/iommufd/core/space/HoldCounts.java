package iommufd.core.space;

import java.util.Arrays;

/**
 * How many holders each page has, as a step function over page numbers. As long as all hold the same range it is one step.
 * Allocates nothing unless it grows. Guarded by its owner's lock.
 */
final class HoldCounts {
    /** Step i reaches from {@code starts[i]} to before {@code starts[i + 1]}; below the first and in the last it is 0. */
    private long[] starts = new long[2];
    private int[] counts = new int[2];
    private int size;

    boolean isEmpty() {
        return size == 0;
    }

    void clear() {
        size = 0;
    }

    /** Adds to the count of pages {@code [first, end)}; no count becomes negative. */
    void add(long first, long end, int change) {
        int from = cut(first);
        int to = cut(end);
        for (int i = from; i < to; i++) {
            counts[i] += change;
            assert counts[i] >= 0 : "released a page nobody held";
        }
        joinEqual(from, to);
    }

    /** The first page of {@code [from, end)} nobody holds, or {@code end}. */
    long nextFree(long from, long end) {
        int i = stepOf(from);
        long page = from;
        while (page < end) {
            if (i < 0 || counts[i] == 0) {
                return page;
            }
            i++;
            page = starts[i];
        }
        return end;
    }

    /** The first page of {@code [from, end)} somebody holds, or {@code end}. */
    long nextHeld(long from, long end) {
        int i = stepOf(from);
        long page = from;
        while (page < end) {
            if (i >= 0 && counts[i] > 0) {
                return page;
            }
            i++;
            if (i >= size) {
                return end;
            }
            page = starts[i];
        }
        return end;
    }

    /** Pages of {@code [first, end)} nobody holds. */
    long freePages(long first, long end) {
        long pages = 0;
        for (long gap = nextFree(first, end); gap < end; ) {
            long gapEnd = nextHeld(gap, end);
            pages += gapEnd - gap;
            gap = nextFree(gapEnd, end);
        }
        return pages;
    }

    /** The step a page lies in, or −1 below the first. */
    private int stepOf(long page) {
        int low = 0;
        int high = size - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            if (starts[middle] <= page) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }

    /** Makes a step start at the page. @return its index */
    private int cut(long page) {
        int below = stepOf(page);
        if (below >= 0 && starts[below] == page) {
            return below;
        }
        if (size == starts.length) {
            starts = Arrays.copyOf(starts, size * 2);
            counts = Arrays.copyOf(counts, size * 2);
        }
        int at = below + 1;
        System.arraycopy(starts, at, starts, at + 1, size - at);
        System.arraycopy(counts, at, counts, at + 1, size - at);
        starts[at] = page;
        counts[at] = below < 0 ? 0 : counts[below];
        size++;
        return at;
    }

    /** Removes steps in {@code [from, to]} that continue the one before. */
    private void joinEqual(int from, int to) {
        int kept = from;
        for (int i = from; i <= to; i++) {
            int before = kept == 0 ? 0 : counts[kept - 1];
            if (counts[i] != before) {
                starts[kept] = starts[i];
                counts[kept++] = counts[i];
            }
        }
        int removed = to + 1 - kept;
        if (removed > 0) {
            System.arraycopy(starts, to + 1, starts, kept, size - to - 1);
            System.arraycopy(counts, to + 1, counts, kept, size - to - 1);
            size -= removed;
        }
    }
}
