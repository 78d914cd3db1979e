package iommu.common.table;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Entries of one table as words in memory. Many at a time are built in a heap array and copied, and cleared by copying zeros:
 * a loop of single stores is several times slower.
 */
final class TableEntries {
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final int BLOCK = 512;
    private static final MemorySegment ZEROS = Arena.global().allocate(BLOCK * 8L, 4096);
    /** Fewer entries than this are written one by one. */
    private static final int MIN_BLOCK = 8;

    private final TableFormat format;
    private final long[] scratch = new long[BLOCK];
    /** Per level, addresses of a block's leaves relative to the first. */
    private final long[][] steps;
    /** An absent entry as it stands in memory. */
    private final long absentWord;

    TableEntries(TableFormat format) {
        this.format = format;
        absentWord = Long.reverseBytes(format.inverted);
        steps = new long[format.levels][BLOCK];
        for (int level = 0; level < format.levels; level++) {
            for (int i = 0; i < BLOCK; i++) {
                steps[level][i] = (long) i << format.shift[level];
            }
        }
    }

    int tableEntries(int level) {
        return 1 << format.shift[level + 1] - format.shift[level];
    }

    int index(int level, long iova) {
        return (int) (iova >>> format.shift[level]) & tableEntries(level) - 1;
    }

    long slot(long table, int level, long iova) {
        return table + index(level, iova) * 8L;
    }

    long get(long slot) {
        long word = PhysicalWords.get(slot);
        return format.bigEndian ? Long.reverseBytes(word) ^ format.inverted : word;
    }

    void set(long slot, long entry) {
        PhysicalWords.set(slot, stored(entry));
    }

    /** Links a table: its content is visible before the link. */
    void publish(long slot, long entry) {
        PhysicalWords.setRelease(slot, stored(entry));
    }

    boolean compareAndSet(long slot, long expected, long desired) {
        return PhysicalWords.compareAndSet(slot, stored(expected), stored(desired));
    }

    private long stored(long entry) {
        return format.bigEndian ? Long.reverseBytes(entry ^ format.inverted) : entry;
    }

    /** Writes {@code count} leaves of {@code level} one after the other, the first being {@code entry}. */
    void fill(long slot, int count, long entry, int level) {
        long first = entry;
        long at = slot;
        for (int left = count; left > 0; left -= BLOCK) {
            int block = Math.min(left, BLOCK);
            fillBlock(at, block, first, steps[level]);
            at += BLOCK * 8L;
            first += (long) BLOCK << format.shift[level];
        }
    }

    private void fillBlock(long slot, int count, long entry, long[] step) {
        if (count < MIN_BLOCK) {
            for (int i = 0; i < count; i++) {
                set(slot + i * 8L, entry + step[i]);
            }
            return;
        }
        long[] block = scratch;
        for (int i = 0; i < count; i++) {
            block[i] = step[i] + entry;
        }
        if (format.bigEndian) {
            for (int i = 0; i < count; i++) {
                block[i] = Long.reverseBytes(block[i] ^ format.inverted);
            }
        }
        MemorySegment.copy(block, 0, WINDOW, ValueLayout.JAVA_LONG, slot, count);
    }

    void clear(long slot, int count) {
        if (count < MIN_BLOCK) {
            for (int i = 0; i < count; i++) {
                PhysicalWords.set(slot + i * 8L, absentWord);
            }
            return;
        }
        if (absentWord != 0) {
            clearToAbsent(slot, count);
            return;
        }
        for (int done = 0; done < count; done += BLOCK) {
            MemorySegment.copy(ZEROS, 0, WINDOW, slot + done * 8L, Math.min(BLOCK, count - done) * 8L);
        }
    }

    private void clearToAbsent(long slot, int count) {
        Arrays.fill(scratch, absentWord);
        for (int done = 0; done < count; done += BLOCK) {
            MemorySegment.copy(scratch, 0, WINDOW, ValueLayout.JAVA_LONG, slot + done * 8L, Math.min(BLOCK, count - done));
        }
    }

    boolean anyPresent(long slot, int count) {
        MemorySegment slice = WINDOW.asSlice(slot, count * 8L);
        long all = 0;
        for (int i = 0; i < count; i++) {
            all |= slice.getAtIndex(ValueLayout.JAVA_LONG, i) ^ absentWord;
        }
        return all != 0;
    }

    int countPresent(long slot, int count) {
        int present = 0;
        for (int i = 0; i < count; i++) {
            if (format.present(get(slot + i * 8L))) {
                present++;
            }
        }
        return present;
    }
}
