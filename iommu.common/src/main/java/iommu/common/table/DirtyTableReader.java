package iommu.common.table;

import iommufd.api.hardware.DirtySink;

/**
 * Finds leaves that hardware marked dirty, descending only into tables where it marked any. May run beside DMA and, on ranges
 * that do not change, beside map and unmap.
 */
public final class DirtyTableReader {
    private final TableFormat format;
    private final TablePool pool;
    private final TableEntries entries;
    private final long root;

    DirtyTableReader(TableFormat format, TablePool pool, TableEntries entries, long root) {
        this.format = format;
        this.pool = pool;
        this.entries = entries;
        this.root = root;
    }

    /**
     * Reports dirty leaves that overlap {@code [first, last]}, in ascending order.
     *
     * @param clear makes reported leaves clean; the owner then invalidates, so that hardware marks the next write again
     * @return whether anything was reported
     */
    public boolean read(long first, long last, boolean clear, DirtySink sink) {
        long end = Math.min(last, format.inputLast);
        return read(root, format.levels - 1, 0, first, end, clear, sink);
    }

    private boolean read(long table, int level, long tableStart, long first, long last, boolean clear, DirtySink sink) {
        int shift = format.shift[level];
        int from = Long.compareUnsigned(first, tableStart) <= 0 ? 0 : entries.index(level, first);
        long tableLast = tableStart + ((long) entries.tableEntries(level) << shift) - 1;
        int to = Long.compareUnsigned(last, tableLast) >= 0 ? entries.tableEntries(level) - 1 : entries.index(level, last);
        boolean wholeTable = from == 0 && to == entries.tableEntries(level) - 1;
        boolean marked = clear && wholeTable
                ? pool.takeDirty(table, format.tableBytesLg2[level]) : pool.isDirty(table, format.tableBytesLg2[level]);
        boolean found = false;
        if (level == 0 && !marked) {
            return false;
        }
        for (int i = from; i <= to; i++) {
            long slot = table + i * 8L;
            long entry = entries.get(slot);
            if (!format.present(entry)) {
                continue;
            }
            long start = tableStart + ((long) i << shift);
            if (!format.leaf(entry, level)) {
                long below = entry & format.addressMask;
                if (level > 1 || pool.isDirty(below, format.tableBytesLg2[0])) {
                    found |= read(below, level - 1, start, first, last, clear, sink);
                }
            } else if (marked && format.dirty(entry)) {
                if (clear) {
                    clean(slot, entry);
                }
                sink.dirty(start, 1L << shift);
                found = true;
            }
        }
        return found;
    }

    /** Hardware may set other bits meanwhile; only the dirty mark is taken back. */
    private void clean(long slot, long seen) {
        long entry = seen;
        while (format.present(entry) && format.dirty(entry)
                && !entries.compareAndSet(slot, entry, entry ^ format.dirtyToggle)) {
            entry = entries.get(slot);
        }
    }

    /** Makes every leaf of the range clean without reporting. */
    public void forget(long first, long last) {
        read(first, last, true, (iova, lengthBytes) -> { });
    }
}
