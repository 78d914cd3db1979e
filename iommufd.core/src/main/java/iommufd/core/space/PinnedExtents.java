package iommufd.core.space;

import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the pinned pages of some {@link SharedPages} lie: disjoint page ranges in ascending order, each with the physical runs
 * one pin gave. Allocates nothing once warm, unless a range is cut. Guarded by its owner's lock.
 */
final class PinnedExtents {
    private static final Logger LOG = LoggerFactory.getLogger(PinnedExtents.class);
    private long[] firstPages = new long[1];
    private PinnedRuns[] runs = new PinnedRuns[1];
    private int count;
    /** Runs of a former extent, if there are any, to be used again. */
    private PinnedRuns spare = new PinnedRuns(1);

    /** Empty runs to pin into; give them to {@link #insert} or {@link #recycle}. */
    PinnedRuns takeRuns() {
        PinnedRuns taken = spare == null ? new PinnedRuns(1) : spare;
        spare = null;
        return taken;
    }

    /** Takes runs back. */
    void recycle(PinnedRuns unused) {
        unused.clear();
        spare = unused;
    }

    /** Adds pages that are not here. */
    void insert(long firstPage, PinnedRuns pinned) {
        if (count == firstPages.length) {
            firstPages = Arrays.copyOf(firstPages, count * 2);
            runs = Arrays.copyOf(runs, count * 2);
        }
        int at = floor(firstPage) + 1;
        System.arraycopy(firstPages, at, firstPages, at + 1, count - at);
        System.arraycopy(runs, at, runs, at + 1, count - at);
        firstPages[at] = firstPage;
        runs[at] = pinned;
        count++;
    }

    /** The runs of pages {@code [firstPage, endPage)} if they are exactly one extent, or null. */
    PinnedRuns exactly(long firstPage, long endPage) {
        int at = floor(firstPage);
        return at >= 0 && firstPages[at] == firstPage && endPage(at) == endPage ? runs[at] : null;
    }

    /** Appends the runs behind a range of bytes, all of which is here. */
    void appendTo(long startByte, long lengthBytes, PinnedRuns target) {
        int at = floor(startByte / UserMemory.PAGE_BYTES);
        long from = startByte;
        long left = lengthBytes;
        while (left > 0) {
            long skipped = from - firstPages[at] * UserMemory.PAGE_BYTES;
            long part = Math.min(left, runs[at].totalBytes() - skipped);
            target.addSlice(runs[at], skipped, part);
            from += part;
            left -= part;
            at++;
        }
    }

    /** Takes pages {@code [firstPage, endPage)}, all of which are here, out, and unpins them. */
    void unpin(long firstPage, long endPage, UserMemory memory) {
        int at = floor(firstPage);
        if (firstPages[at] < firstPage) {
            cut(at++, firstPage);
        }
        int end = at;
        while (end < count && firstPages[end] < endPage) {
            if (endPage(end) > endPage) {
                cut(end, endPage);
            }
            unpin(runs[end], memory);
            recycle(runs[end++]);
        }
        System.arraycopy(firstPages, end, firstPages, at, count - end);
        System.arraycopy(runs, end, runs, at, count - end);
        Arrays.fill(runs, count - (end - at), count, null);
        count -= end - at;
    }

    /** Unpins every run; one that its memory fails to unpin stays pinned. */
    static void unpin(PinnedRuns pinned, UserMemory memory) {
        for (int i = 0; i < pinned.count(); i++) {
            try {
                memory.unpin(pinned.physicalAddress(i), pinned.lengthBytes(i));
            } catch (RuntimeException | Error broken) {
                LOG.error("memory failed to unpin 0x{} bytes, which must never fail; they stay pinned",
                        Long.toHexString(pinned.lengthBytes(i)), broken);
            }
        }
    }

    /** Makes two extents of one, the second from {@code page} on. */
    private void cut(int at, long page) {
        long keptBytes = (page - firstPages[at]) * UserMemory.PAGE_BYTES;
        PinnedRuns upper = takeRuns();
        upper.addSlice(runs[at], keptBytes, runs[at].totalBytes() - keptBytes);
        runs[at].truncate(keptBytes);
        insert(page, upper);
    }

    private long endPage(int at) {
        return firstPages[at] + runs[at].totalBytes() / UserMemory.PAGE_BYTES;
    }

    private int floor(long page) {
        int low = 0;
        int high = count - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            if (firstPages[middle] <= page) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }
}
