package iommu.common.table;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Arrays;

/**
 * A page table in memory that a driver writes and hardware walks meanwhile.
 *
 * <p>Writers are serialized by the owner; {@link #translate} may run beside them. New tables are complete before they are
 * linked. Unlinked tables are kept until {@link #recycle}: the owner first invalidates and waits. A table emptied entry by entry
 * stays for the next map; one whose whole range is unmapped is unlinked unscanned if it was full.
 *
 * <p>Once warm, {@code map} and {@code unmap} allocate nothing.
 */
public final class RadixTable implements AutoCloseable {
    /** Frames kept for the next table, so that map and unmap of a whole table do not reach for the shared memory. */
    private static final int SPARE_TABLES = 8;

    private final TableFormat format;
    private final TablePool pool;
    private final TableEntries entries;
    private final long root;
    private final int top;
    private final SingleLeaf singleLeaf;
    private final LeafResizing resizing;
    /** Someone else's table: read only. */
    private final boolean foreign;
    private final long[] spares = new long[SPARE_TABLES];
    private int spareCount;
    private long[] unlinked = new long[64];
    private int unlinkedCount;

    /** An empty table. @throws IommufdException {@link Errno#ENOMEM} */
    public RadixTable(TableFormat format, TablePool pool) {
        this(format, pool, pool.allocate(format.tableBytesLg2[format.levels - 1]), false);
        clearNew(root, top);
    }

    private RadixTable(TableFormat format, TablePool pool, long root, boolean foreign) {
        this.format = format;
        this.pool = pool;
        this.root = root;
        this.foreign = foreign;
        entries = new TableEntries(format);
        top = format.levels - 1;
        singleLeaf = new SingleLeaf(format, pool, root);
        resizing = new LeafResizing(this, format, pool, entries);
    }

    /** Someone else's table, such as a hypervisor's: {@link #translate} and {@link #leafBytes} work, changes are not to be had here. */
    public static RadixTable foreign(TableFormat format, TablePool pool, long root) {
        return new RadixTable(format, pool, root, true);
    }

    /** Whether it is someone else's. */
    public boolean isForeign() {
        return foreign;
    }

    /** Physical address of the top table. */
    public long root() {
        return root;
    }

    /** Its format. */
    public TableFormat format() {
        return format;
    }

    /**
     * Maps runs from {@code iova} on, all or nothing. After a failure the owner invalidates {@code [iova, end)} and recycles,
     * as after {@link #unmap}: a part was visible for a moment.
     *
     * @throws IommufdException as {@link PagingDomain#map}; {@link Errno#EINVAL} for no runs or misalignment
     */
    public void map(long iova, PinnedRuns runs, DmaAccess access, boolean smallestOnly) {
        if (foreign) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the table is another's: nothing is mapped in it here");
        }
        if (runs.count() == 1
                && singleLeaf.map(iova, runs.physicalAddress(0), runs.lengthBytes(0), access, smallestOnly)) {
            return;
        }
        check(iova, runs);
        long at = iova;
        try {
            for (int run = 0; run < runs.count(); run++) {
                long end = at + runs.lengthBytes(run);
                long physicalAddress = runs.physicalAddress(run);
                while (at < end) {
                    long mapped = mapSome(at, physicalAddress, end - at, access, smallestOnly);
                    at += mapped;
                    physicalAddress += mapped;
                }
            }
        } catch (RuntimeException | Error failure) {
            if (at != iova) {
                unmap(iova, at - 1);
            }
            prune(root, top, 0, iova, iova + runs.totalBytes() - 1);
            throw failure;
        }
    }

    private void check(long iova, PinnedRuns runs) {
        long inside = (1L << format.granuleLg2) - 1;
        long bits = iova;
        for (int run = 0; run < runs.count(); run++) {
            bits |= runs.physicalAddress(run) | runs.lengthBytes(run);
            if ((runs.physicalAddress(run) + runs.lengthBytes(run) - 1 & ~format.outputMask) != 0) {
                throw new IommufdException(Errno.ERANGE, "physical address 0x%x is wider than the table's entries"
                        .formatted(runs.physicalAddress(run)));
            }
        }
        if (runs.count() == 0 || (bits & inside) != 0) {
            throw new IommufdException(Errno.EINVAL, "IOVA 0x%x or its memory is not aligned to 0x%x".formatted(iova, inside + 1));
        }
        long last = iova + runs.totalBytes() - 1;
        if (Long.compareUnsigned(last, iova) < 0 || Long.compareUnsigned(last, format.inputLast) > 0) {
            throw new IommufdException(Errno.ERANGE, "IOVA 0x%x..0x%x ends beyond 0x%x".formatted(iova, last, format.inputLast));
        }
    }

    /** Maps leaves of one size in one table. @return bytes mapped */
    private long mapSome(long iova, long physicalAddress, long lengthBytes, DmaAccess access, boolean smallestOnly) {
        int level = smallestOnly ? 0 : leafLevel(iova | physicalAddress, lengthBytes);
        int shift = format.shift[level];
        long table = root;
        for (int above = top; above > level; above--) {
            long slot = entries.slot(table, above, iova);
            long entry = entries.get(slot);
            if (!format.present(entry)) {
                if (above == level + 1 && fillsTable(iova, lengthBytes, level)) {
                    return linkFull(table, slot, above, physicalAddress, access);
                }
                table = linkEmpty(table, slot, above);
                continue;
            }
            if (format.leaf(entry, above)) {
                throw occupied(iova);
            }
            table = entry & format.addressMask;
        }
        int index = entries.index(level, iova);
        int count = (int) Math.min(leavesUntilLarger(iova, physicalAddress, lengthBytes, level, smallestOnly),
                entries.tableEntries(level) - index);
        long slot = table + index * 8L;
        if (count == 1) {
            if (format.present(entries.get(slot))) {
                vacate(table, slot, level, 1, iova);
            }
            entries.set(slot, physicalAddress | format.leafBits[level][access.bits()]);
        } else {
            if (pool.live(table) != 0 && entries.anyPresent(slot, count)) {
                vacate(table, slot, level, count, iova);
            }
            entries.fill(slot, count, physicalAddress | format.leafBits[level][access.bits()], level);
        }
        pool.addLive(table, count);
        return (long) count << shift;
    }

    private int leafLevel(long alignment, long lengthBytes) {
        for (int level = top; level > 0; level--) {
            if ((format.leafLevels >>> level & 1) != 0 && lengthBytes >>> format.shift[level] != 0
                    && (alignment & (1L << format.shift[level]) - 1) == 0) {
                return level;
            }
        }
        return 0;
    }

    /** How many leaves of {@code level} to write before a larger leaf becomes possible. */
    private long leavesUntilLarger(long iova, long physicalAddress, long lengthBytes, int level, boolean smallestOnly) {
        long leaves = lengthBytes >>> format.shift[level];
        if (smallestOnly) {
            return leaves;
        }
        for (int larger = level + 1; larger <= top; larger++) {
            if ((format.leafLevels >>> larger & 1) == 0) {
                continue;
            }
            long inside = (1L << format.shift[larger]) - 1;
            if (((iova ^ physicalAddress) & inside) == 0) {
                return Math.min(leaves, inside + 1 - (iova & inside) >>> format.shift[level]);
            }
            break;
        }
        return leaves;
    }

    private boolean fillsTable(long iova, long lengthBytes, int level) {
        long tableSpan = 1L << format.shift[level + 1];
        return (iova & tableSpan - 1) == 0 && Long.compareUnsigned(lengthBytes, tableSpan) >= 0;
    }

    /** A table that is full when it is linked: nobody ever sees it empty. @return bytes mapped */
    private long linkFull(long parent, long slot, int parentLevel, long physicalAddress, DmaAccess access) {
        int level = parentLevel - 1;
        int count = entries.tableEntries(level);
        long table = takeTable(level, false);
        entries.fill(table, count, physicalAddress | format.leafBits[level][access.bits()], level);
        pool.addLive(table, count);
        link(parent, slot, parentLevel, table);
        return (long) count << format.shift[level];
    }

    private long linkEmpty(long parent, long slot, int parentLevel) {
        long table = takeTable(parentLevel - 1, true);
        link(parent, slot, parentLevel, table);
        return table;
    }

    private void link(long parent, long slot, int parentLevel, long table) {
        entries.publish(slot, table | format.tableBits[parentLevel]);
        pool.addLive(parent, 1);
    }

    long takeTable(int level, boolean zeroed) {
        if (spareCount > 0 && format.tableBytesLg2[level] == format.tableBytesLg2[0]) {
            long table = spares[--spareCount];
            if (zeroed) {
                entries.clear(table, entries.tableEntries(0));
            }
            return table;
        }
        return allocateEmpty(level);
    }

    private long allocateEmpty(int level) {
        long table = pool.allocate(format.tableBytesLg2[level]);
        clearNew(table, level);
        return table;
    }

    /** New tables are zero, which is not absent in every format. */
    private void clearNew(long table, int level) {
        if (format.inverted != 0) {
            entries.clear(table, entries.tableEntries(level));
        }
    }

    /** Removes empty tables from slots that leaves are to take. @throws IommufdException {@link Errno#EEXIST} */
    private void vacate(long table, long slot, int level, int count, long iova) {
        for (int i = 0; i < count; i++) {
            long entry = entries.get(slot + i * 8L);
            if (format.present(entry) && (format.leaf(entry, level) || !empty(entry & format.addressMask, level - 1))) {
                throw occupied(iova + ((long) i << format.shift[level]));
            }
        }
        for (int i = 0; i < count; i++) {
            long entry = entries.get(slot + i * 8L);
            if (format.present(entry)) {
                entries.set(slot + i * 8L, 0);
                pool.addLive(table, -1);
                unlink(entry & format.addressMask, level - 1);
            }
        }
    }

    private IommufdException occupied(long iova) {
        return new IommufdException(Errno.EEXIST, "IOVA 0x%x is mapped already".formatted(iova));
    }

    private boolean empty(long table, int level) {
        if (level == 0 || pool.live(table) == 0) {
            return pool.live(table) == 0;
        }
        for (int i = 0; i < entries.tableEntries(level); i++) {
            long entry = entries.get(table + i * 8L);
            if (format.present(entry) && (format.leaf(entry, level) || !empty(entry & format.addressMask, level - 1))) {
                return false;
            }
        }
        return true;
    }

    /**
     * Removes what is mapped in the range. Hardware may still hold it: invalidate, wait, {@link #recycle}.
     *
     * @return bytes that were mapped
     * @throws IllegalStateException if a leaf would be cut
     */
    public long unmap(long iova, long lastIova) {
        if (foreign) {
            return 0;
        }
        long bytes = singleLeaf.unmap(iova, lastIova);
        return bytes != SingleLeaf.UNUSUAL ? bytes : unmap(root, top, iova, Math.min(lastIova, format.inputLast));
    }

    private long unmap(long table, int level, long first, long last) {
        int shift = format.shift[level];
        int index = entries.index(level, first);
        int lastIndex = entries.index(level, last);
        if (level == 0) {
            return (long) clearLeaves(table, index, lastIndex - index + 1) << shift;
        }
        long bytes = 0;
        long at = first;
        for (int i = index; i <= lastIndex; i++) {
            long slot = table + i * 8L;
            long entry = entries.get(slot);
            long entryLast = at | (1L << shift) - 1;
            boolean whole = (at & (1L << shift) - 1) == 0 && Long.compareUnsigned(entryLast, last) <= 0;
            if (format.present(entry)) {
                if (format.leaf(entry, level)) {
                    if (!whole) {
                        throw new IllegalStateException("unmap of 0x%x..0x%x cuts a leaf".formatted(first, last));
                    }
                    entries.set(slot, 0);
                    pool.addLive(table, -1);
                    bytes += 1L << shift;
                } else {
                    long below = entry & format.addressMask;
                    if (whole && level == 1 && pool.live(below) == entries.tableEntries(0)) {
                        bytes += 1L << shift;
                    } else {
                        bytes += unmap(below, level - 1, at, whole ? entryLast : Math.min(entryLast, last));
                    }
                    if (whole) {
                        entries.set(slot, 0);
                        pool.addLive(table, -1);
                        unlinkOne(below, level - 1);
                    }
                }
            }
            at = entryLast + 1;
        }
        return bytes;
    }

    private int clearLeaves(long table, int index, int count) {
        int live = pool.live(table);
        if (live == 0) {
            return 0;
        }
        long slot = table + index * 8L;
        int cleared = live == entries.tableEntries(0) ? count : entries.countPresent(slot, count);
        if (cleared != 0) {
            entries.clear(slot, count);
            pool.addLive(table, -cleared);
        }
        return cleared;
    }

    /** Unlinks empty tables in the range; only after a failed map, whose new tables nobody needs. */
    private void prune(long table, int level, long tableStart, long first, long last) {
        int shift = format.shift[level];
        for (int i = 0; level > 0 && i < entries.tableEntries(level); i++) {
            long start = tableStart + ((long) i << shift);
            long end = start + (1L << shift) - 1;
            long entry = entries.get(table + i * 8L);
            if (Long.compareUnsigned(end, first) < 0 || Long.compareUnsigned(start, last) > 0
                    || !format.present(entry) || format.leaf(entry, level)) {
                continue;
            }
            long below = entry & format.addressMask;
            prune(below, level - 1, start, first, last);
            if (pool.live(below) == 0) {
                entries.set(table + i * 8L, 0);
                pool.addLive(table, -1);
                unlinkOne(below, level - 1);
            }
        }
    }

    private void unlink(long table, int level) {
        for (int i = 0; level > 0 && i < entries.tableEntries(level); i++) {
            long entry = entries.get(table + i * 8L);
            if (format.present(entry) && !format.leaf(entry, level)) {
                unlink(entry & format.addressMask, level - 1);
            }
        }
        unlinkOne(table, level);
    }

    void unlinkOne(long table, int level) {
        if (unlinkedCount == unlinked.length) {
            unlinked = Arrays.copyOf(unlinked, unlinkedCount * 2);
        }
        unlinked[unlinkedCount++] = table | format.tableBytesLg2[level];
    }

    /** Whether {@link #recycle} has anything to do: hardware may cache pointers to unlinked tables. */
    public boolean hasUnlinked() {
        return unlinkedCount > 0;
    }

    /** Takes unlinked tables back into use. No walk may be inside any of them any more. */
    public void recycle() {
        for (int i = 0; i < unlinkedCount; i++) {
            int sizeLg2 = (int) unlinked[i] & 0xfff;
            long table = unlinked[i] & ~0xfffL;
            if (spareCount < SPARE_TABLES && sizeLg2 == format.tableBytesLg2[0] && top > 0) {
                pool.addLive(table, -pool.live(table));
                pool.dirtyMarks().take(table, sizeLg2);
                spares[spareCount++] = table;
            } else {
                pool.free(table, sizeLg2);
            }
        }
        unlinkedCount = 0;
    }

    /**
     * Splits leaves that overlap the range and are larger than {@code pageBytes}, under walks and without a moment in which they miss;
     * each new leaf allows the same and is dirty if the old one was. Serialize with readers of dirty marks; then invalidate.
     *
     * @param pageBytes one of the format's page sizes
     * @return leaves split
     * @throws IommufdException {@link Errno#ENOMEM}: those before stay split
     */
    public long split(long iova, long lastIova, long pageBytes) {
        int target = 0;
        while (target < top && format.shift[target] < Long.numberOfTrailingZeros(pageBytes)) {
            target++;
        }
        long last = Long.compareUnsigned(lastIova, format.inputLast) < 0 ? lastIova : format.inputLast;
        return foreign || top == 0 || target == top || Long.compareUnsigned(iova, last) > 0 ? 0 : resizing.split(root, top, iova, last, target);
    }

    /**
     * Puts leaves in the range together to larger ones, as large as the format, alignment and contiguity allow; a new leaf is dirty if
     * one of the old ones was. As {@link #split}; if {@link #hasMerged}, invalidate, then {@link #finishMerge}, then {@link #recycle}.
     *
     * @return leaves made
     */
    public long merge(long iova, long lastIova) {
        long last = Long.compareUnsigned(lastIova, format.inputLast) < 0 ? lastIova : format.inputLast;
        return foreign || top == 0 || Long.compareUnsigned(iova, last) > 0 ? 0 : resizing.merge(root, top, iova, last);
    }

    /** Whether tables became leaves that {@link #finishMerge} has not seen yet. */
    public boolean hasMerged() {
        return resizing.hasMerged();
    }

    /** No walk uses tables that became leaves any more: takes their last dirty marks over. */
    public void finishMerge() {
        resizing.finish();
    }

    /** Size of the leaf that maps a byte; 0 for a hole. As {@link #translate}. */
    public long leafBytes(long iova) {
        return format.regular ? singleLeaf.leafBytes(iova) : Math.max(0, walk(iova, true));
    }

    /** Physical address of a mapped byte, or {@link PagingDomain#UNMAPPED}. Beside writers it may see either side of a change. */
    public long translate(long iova) {
        return format.regular ? singleLeaf.translate(iova) : walk(iova, false);
    }

    /** Of formats that are not regular. @return a translation or, if {@code ofLeaf}, a leaf's size; {@link PagingDomain#UNMAPPED} for a hole */
    private long walk(long iova, boolean ofLeaf) {
        if ((iova & ~format.inputLast) != 0) {
            return PagingDomain.UNMAPPED;
        }
        long table = root;
        for (int level = top; ; level--) {
            long entry = entries.get(entries.slot(table, level, iova));
            if (!format.present(entry)) {
                return PagingDomain.UNMAPPED;
            }
            if (format.leaf(entry, level)) {
                long leafBytes = 1L << format.shift[level];
                return ofLeaf ? leafBytes : entry & format.addressMask & -leafBytes | iova & leafBytes - 1;
            }
            table = entry & format.addressMask;
        }
    }

    /** Reads dirty marks; see {@link DirtyTableReader}. */
    public DirtyTableReader dirtyReader() {
        return new DirtyTableReader(format, pool.dirtyMarks(), entries, root);
    }

    /** Gives all tables back. No hardware refers to the root any more. */
    @Override
    public void close() {
        if (foreign) {
            return;
        }
        recycle();
        while (spareCount > 0) {
            pool.free(spares[--spareCount], format.tableBytesLg2[0]);
        }
        unlink(root, top);
        for (int i = 0; i < unlinkedCount; i++) {
            pool.free(unlinked[i] & ~0xfffL, (int) unlinked[i] & 0xfff);
        }
        unlinkedCount = 0;
    }
}
