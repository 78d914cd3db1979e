package iommu.smmuv3.driver;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.MemorySegment;

/** Leaves of 4 KiB that hold 64 entries of 64 bytes: stream table entries or context descriptors. */
final class EntryLeaf {
    static final int FRAME_LG2 = TableMemory.MIN_FRAME_LG2;
    static final int FRAME_BYTES = 1 << FRAME_LG2;
    /** log2 of a leaf's entries. */
    static final int ENTRIES_LG2 = 6;
    static final int ENTRY_LG2 = 6;

    private EntryLeaf() {}

    static long entry(long frame, int index) {
        return frame + ((long) (index & (1 << ENTRIES_LG2) - 1) << ENTRY_LG2);
    }

    /** Writes words {@code from} to 7; word 0 last, visible after the others. */
    static void write(long entry, long[] words, int from) {
        for (int word = words.length - 1; word > Math.max(0, from - 1); word--) {
            PhysicalWords.set(entry + word * 8L, words[word]);
        }
        if (from == 0) {
            PhysicalWords.setRelease(entry, words[0]);
        }
    }

    static void copy(long source, long target) {
        MemorySegment.copy(HostMemory.WINDOW, source, HostMemory.WINDOW, target, FRAME_BYTES);
    }
}
