package iommu.common.table;

import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Changes the size of leaves in place, under walks: what an address translates to, and what is allowed, is the same before, after
 * and in between, so no walk ever misses. The old entry is exchanged by one compare-and-set; if hardware marked it meanwhile, the
 * new entries are written again with the mark. This is what needs no break-before-make: Arm calls it BBM level 2, Intel allows it as
 * long as only the size changes and caches are invalidated afterwards.
 *
 * <p>Serialized with all other writers, and with readers of dirty marks.
 */
final class LeafResizing {
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final int LOCATION_LONGS = 2;
    /** Tables are aligned to more than there are levels. */
    private static final long LEVEL = 7;

    private final RadixTable table;
    private final TableFormat format;
    private final TablePool pool;
    private final TableEntries entries;
    /** Per level, the attribute bits in which its leaves differ from those one level below. */
    private final long[] typeBits;
    private final long[] scratch = new long[512];
    /** Slots whose table became a leaf, and the table with its level; the table may still collect marks. */
    private long[] merged = new long[64];
    private int mergedCount;

    LeafResizing(RadixTable table, TableFormat format, TablePool pool, TableEntries entries) {
        this.table = table;
        this.format = format;
        this.pool = pool;
        this.entries = entries;
        typeBits = new long[format.levels];
        for (int level = 1; level < format.levels; level++) {
            typeBits[level] = format.leafBits[level][1] ^ format.leafBits[level - 1][1];
            for (int access = 2; access < 4; access++) {
                assert typeBits[level] == (format.leafBits[level][access] ^ format.leafBits[level - 1][access]) : "type depends on access";
            }
        }
    }

    private boolean hasLeaves(int level) {
        return level == 0 || (format.leafLevels >>> level & 1) != 0;
    }

    /**
     * Splits leaves above {@code target} that overlap the range.
     *
     * @return leaves split
     * @throws iommufd.api.IommufdException {@link iommufd.api.Errno#ENOMEM}: some were split
     */
    long split(long tableAddress, int level, long first, long last, int target) {
        int shift = format.shift[level];
        int lastIndex = entries.index(level, last);
        long at = first;
        long splits = 0;
        for (int i = entries.index(level, first); i <= lastIndex; i++) {
            long slot = tableAddress + i * 8L;
            long entry = entries.get(slot);
            long entryLast = at | (1L << shift) - 1;
            if (format.present(entry)) {
                if (format.leaf(entry, level) && hasLeaves(level - 1)) {
                    splitLeaf(slot, level);
                    splits++;
                }
                long below = entries.get(slot);
                if (!format.leaf(below, level) && level - 1 > target) {
                    splits += split(below & format.addressMask, level - 1, at, Math.min(entryLast, last), target);
                }
            }
            at = entryLast + 1;
        }
        return splits;
    }

    private void splitLeaf(long slot, int level) {
        int count = entries.tableEntries(level - 1);
        long below = table.takeTable(level - 1, false);
        long entry;
        do {
            entry = entries.get(slot);
            entries.fill(below, count, entry ^ typeBits[level], level - 1);
            if (format.dirty(entry)) {
                pool.dirtyMarks().markAll(below, count);
            }
        } while (!entries.compareAndSet(slot, entry, below | format.tableBits[level]));
        pool.addLive(below, count);
    }

    /** Puts the leaves of tables that lie in the range together, where they are alike and contiguous. @return leaves made */
    long merge(long tableAddress, int level, long first, long last) {
        int shift = format.shift[level];
        int lastIndex = entries.index(level, last);
        long at = first;
        long merges = 0;
        for (int i = entries.index(level, first); i <= lastIndex; i++) {
            long slot = tableAddress + i * 8L;
            long entry = entries.get(slot);
            long entryLast = at | (1L << shift) - 1;
            if (format.present(entry) && !format.leaf(entry, level)) {
                long below = entry & format.addressMask;
                if (level > 1) {
                    merges += merge(below, level - 1, at, Math.min(entryLast, last));
                }
                boolean whole = (at & (1L << shift) - 1) == 0 && Long.compareUnsigned(entryLast, last) <= 0;
                if (whole && hasLeaves(level) && pool.live(below) == entries.tableEntries(level - 1)
                        && mergeTable(slot, level, below)) {
                    merges++;
                }
            }
            at = entryLast + 1;
        }
        return merges;
    }

    /** @return whether the table in that slot became one leaf */
    private boolean mergeTable(long slot, int level, long below) {
        long first = entries.get(below);
        if (!format.leaf(first, level - 1) || (first & format.addressMask & (1L << format.shift[level]) - 1) != 0) {
            return false;
        }
        // What hardware sets in a leaf that may be written; elsewhere the same bit tells what is allowed.
        long marks = (first & format.dirtyMask & ~format.dirtyToggle) == (format.dirtyValue & format.dirtyMask & ~format.dirtyToggle)
                ? format.dirtyToggle : 0;
        int count = entries.tableEntries(level - 1);
        boolean dirty = false;
        for (int done = 0; done < count; done += scratch.length) {
            int block = Math.min(scratch.length, count - done);
            load(below + done * 8L, block);
            long different = 0;
            for (int i = 0; i < block; i++) {
                different |= scratch[i] ^ first + ((long) (done + i) << format.shift[level - 1]);
            }
            if ((different & ~marks) != 0) {
                return false;
            }
            for (int i = 0; i < block && marks != 0 && !dirty; i++) {
                dirty = format.dirty(scratch[i]);
            }
        }
        long leaf = first ^ typeBits[level];
        if (marks != 0) {
            leaf = leaf & ~marks | (dirty ? format.dirtyValue : ~format.dirtyValue) & marks;
        }
        long pointer;
        do {
            pointer = entries.get(slot);   // hardware may mark it as used
        } while (!entries.compareAndSet(slot, pointer, leaf));
        if (dirty) {
            pool.markDirty(slot);
        }
        remember(slot, below, level - 1);
        return true;
    }

    private void load(long address, int count) {
        MemorySegment.copy(WINDOW, ValueLayout.JAVA_LONG, address, scratch, 0, count);
        if (format.bigEndian) {
            for (int i = 0; i < count; i++) {
                scratch[i] = Long.reverseBytes(scratch[i]) ^ format.inverted;
            }
        }
    }

    private void remember(long slot, long below, int level) {
        if (mergedCount + LOCATION_LONGS > merged.length) {
            merged = Arrays.copyOf(merged, merged.length * 2);
        }
        merged[mergedCount++] = slot;
        merged[mergedCount++] = below | level;
    }

    boolean hasMerged() {
        return mergedCount > 0;
    }

    /** No walk is inside the former tables any more: marks that came while they were exchanged are the leaves' now. */
    void finish() {
        for (int i = 0; i < mergedCount; i += LOCATION_LONGS) {
            long slot = merged[i];
            int level = (int) (merged[i + 1] & LEVEL);
            long below = merged[i + 1] & ~LEVEL;
            if (isAnyDirty(below, level)) {
                makeDirty(slot);
            }
            table.unlinkOne(below, level);
        }
        mergedCount = 0;
    }

    private boolean isAnyDirty(long below, int level) {
        if (format.dirtyMask == 0 || !pool.dirtyMarks().any(below, format.tableBytesLg2[level])) {
            return false;
        }
        int count = entries.tableEntries(level);
        for (int i = 0; i < count; i++) {
            if (format.dirty(entries.get(below + i * 8L))) {
                return true;
            }
        }
        return false;
    }

    private void makeDirty(long slot) {
        long entry = entries.get(slot);
        while (!format.dirty(entry) && !entries.compareAndSet(slot, entry, entry ^ format.dirtyToggle)) {
            entry = entries.get(slot);
        }
        pool.markDirty(slot);
    }
}
