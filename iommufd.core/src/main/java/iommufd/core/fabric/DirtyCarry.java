package iommufd.core.fabric;

import iommufd.api.hardware.DirtySink;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Dirty pages that former hardware recorded and user space has not read yet: a sparse bitmap of 4 KiB pages. Not thread-safe.
 */
final class DirtyCarry implements DirtySink {
    private static final int PAGE_LG2 = 12;
    private static final int CHUNK_LG2 = 27;
    private static final long CHUNK_BYTES = 1L << CHUNK_LG2;
    private static final int CHUNK_WORDS = (int) (CHUNK_BYTES >>> PAGE_LG2) / Long.SIZE;
    /** Ranges beyond this come from hardware that can tell nothing any more: everything counts as written. */
    private static final long TOO_LARGE_BYTES = 1L << 46;

    private final Map<Long, long[]> chunks = new TreeMap<>(Long::compareUnsigned);
    /** What a chunk that is not there stands for. */
    private boolean absentIsDirty;

    /** Forgets everything. */
    void clear() {
        chunks.clear();
        absentIsDirty = false;
    }

    /** Whether nothing is recorded. */
    boolean isEmpty() {
        return chunks.isEmpty() && !absentIsDirty;
    }

    @Override
    public void dirty(long iova, long lengthBytes) {
        if (Long.compareUnsigned(lengthBytes - 1, TOO_LARGE_BYTES) >= 0) {
            chunks.clear();
            absentIsDirty = true;
        } else if (!absentIsDirty || !chunks.isEmpty()) {
            mark(iova, iova + lengthBytes - 1, true);
        }
    }

    /**
     * Reports recorded pages of the range.
     *
     * @param clear whether to forget them
     */
    void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        if (isEmpty()) {
            return;
        }
        long firstPage = iova >>> PAGE_LG2;
        long lastPage = lastIova >>> PAGE_LG2;
        long runStart = -1;
        for (long page = firstPage; page <= lastPage; page++) {
            long[] chunk = chunks.get(page >>> CHUNK_LG2 - PAGE_LG2);
            if (chunk == null && !absentIsDirty) {
                long endOfChunk = (page | (CHUNK_BYTES >>> PAGE_LG2) - 1);
                report(runStart, page, sink);
                runStart = -1;
                page = endOfChunk;
                continue;
            }
            int bit = (int) page & CHUNK_WORDS * Long.SIZE - 1;
            boolean set = chunk == null || (chunk[bit >>> 6] & 1L << bit) != 0;
            if (set && runStart < 0) {
                runStart = page;
            } else if (!set) {
                report(runStart, page, sink);
                runStart = -1;
            }
        }
        report(runStart, lastPage + 1, sink);
        if (clear) {
            mark(iova, lastIova, false);
        }
    }

    private static void report(long startPage, long endPage, DirtySink sink) {
        if (startPage >= 0) {
            sink.dirty(startPage << PAGE_LG2, endPage - startPage << PAGE_LG2);
        }
    }

    private void mark(long iova, long lastIova, boolean set) {
        long lastPage = lastIova >>> PAGE_LG2;
        for (long page = iova >>> PAGE_LG2; page <= lastPage;) {
            long number = page >>> CHUNK_LG2 - PAGE_LG2;
            long end = Math.min(lastPage, page | CHUNK_WORDS * Long.SIZE - 1);
            long[] chunk = chunks.get(number);
            if (chunk == null && set != absentIsDirty) {
                chunk = new long[CHUNK_WORDS];
                Arrays.fill(chunk, absentIsDirty ? -1L : 0L);
                chunks.put(number, chunk);
            }
            for (; chunk != null && page <= end; page++) {
                int bit = (int) page & CHUNK_WORDS * Long.SIZE - 1;
                chunk[bit >>> 6] = set ? chunk[bit >>> 6] | 1L << bit : chunk[bit >>> 6] & ~(1L << bit);
            }
            page = end + 1;
        }
    }
}
