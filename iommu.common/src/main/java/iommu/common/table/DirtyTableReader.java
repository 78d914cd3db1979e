package iommu.common.table;

import iommufd.api.hardware.DirtySink;

/**
 * Finds leaves that hardware marked dirty, descending only into tables where it marked any. May run beside DMA and, on ranges
 * that do not change, beside map and unmap.
 */
public final class DirtyTableReader {
    private final TableFormat format;
    private final DirtyMarks marks;
    private final TableEntries entries;
    private final long root;

    DirtyTableReader(TableFormat format, DirtyMarks marks, TableEntries entries, long root) {
        this.format = format;
        this.marks = marks;
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
        boolean take = clear && from == 0 && to == entries.tableEntries(level) - 1;
        if (level == 0) {
            return readLeaves(table, tableStart, from, to, take, clear, sink);
        }
        boolean marked = take ? marks.take(table, format.tableBytesLg2[level]) : marks.any(table, format.tableBytesLg2[level]);
        boolean found = false;
        for (int i = from; i <= to; i++) {
            long slot = table + i * 8L;
            long entry = entries.get(slot);
            if (!format.present(entry)) {
                continue;
            }
            long start = tableStart + ((long) i << shift);
            if (!format.leaf(entry, level)) {
                long below = entry & format.addressMask;
                if (level > 1 || marks.any(below, format.tableBytesLg2[0])) {
                    found |= read(below, level - 1, start, first, last, clear, sink);
                }
            } else if (marked && format.dirty(entry)) {
                report(slot, entry, start, shift, clear, sink);
                found = true;
            }
        }
        return found;
    }

    /** Looks at marked lines only. @param take whether the table's marks may be forgotten: all of it is read and made clean */
    private boolean readLeaves(long table, long tableStart, int from, int to, boolean take, boolean clear, DirtySink sink) {
        int frameEntries = DirtyMarks.FRAME_LINES * DirtyMarks.LINE_ENTRIES;
        int shift = format.shift[0];
        boolean found = false;
        for (int frameFirst = from & -frameEntries; frameFirst <= to; frameFirst += frameEntries) {
            long frame = table + frameFirst * 8L;
            long lines = take ? marks.takeLines(frame) : marks.lines(frame);
            for (; lines != 0; lines &= lines - 1) {
                int lineFirst = frameFirst + Long.numberOfTrailingZeros(lines) * DirtyMarks.LINE_ENTRIES;
                int end = Math.min(to + 1, lineFirst + DirtyMarks.LINE_ENTRIES);
                for (int i = Math.max(from, lineFirst); i < end; i++) {
                    long slot = table + i * 8L;
                    long entry = entries.get(slot);
                    if (format.present(entry) && format.dirty(entry)) {
                        report(slot, entry, tableStart + ((long) i << shift), shift, clear, sink);
                        found = true;
                    }
                }
            }
        }
        return found;
    }

    private void report(long slot, long entry, long start, int shift, boolean clear, DirtySink sink) {
        if (clear) {
            clean(slot, entry);
        }
        sink.dirty(start, 1L << shift);
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
