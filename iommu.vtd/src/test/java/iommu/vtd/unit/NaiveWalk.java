package iommu.vtd.unit;

import iommu.vtd.Ram;
import iommufd.api.memory.HostMemory;
import java.util.HashMap;
import java.util.Map;

/** Page walks as slow as the tables of §9.7 and §9.8 read, bit by bit; leaves memory alone and tells what hardware would write. */
final class NaiveWalk {
    /** HAW. */
    private static final int HOST_BITS = 46;

    final Map<Long, Long> writes = new HashMap<>();
    final boolean scalable;
    final boolean secondStageMarks;
    int leafBits;
    boolean readable;
    boolean writable;

    /** What to add to a host address to get the one on the bus. */
    long busOffset;
    boolean snoopControl = true;
    int largestSecondLeaf = 30;
    int largestFirstLeaf = 30;
    boolean supervisor;
    boolean writeProtect;

    NaiveWalk(boolean scalable, boolean secondStageMarks) {
        this.scalable = scalable;
        this.secondStageMarks = secondStageMarks;
    }

    private long load(long address) {
        return writes.getOrDefault(address, Ram.word(address));
    }

    private static boolean bit(long value, int bit) {
        return (value >>> bit & 1) == 1;
    }

    private static boolean anyBit(long value, int first, int last) {
        for (int bit = first; bit <= last; bit++) {
            if (bit(value, bit)) {
                return true;
            }
        }
        return false;
    }

    private static long field(long value, int first, int last) {
        long result = 0;
        for (int bit = first; bit <= last; bit++) {
            result |= bit(value, bit) ? 1L << bit : 0;
        }
        return result;
    }

    /** Second stage; minus the fault reason if refused. */
    long second(long root, int levels, long address, boolean read, boolean write) {
        long table = root;
        boolean mayRead = true;
        boolean mayWrite = true;
        for (int level = levels; ; level--) {
            int low = 12 + 9 * (level - 1);
            long slot = table + 8 * (field(address, low, low + 8) >>> low);
            slot -= busOffset;
            if (!HostMemory.isBacked(slot)) {
                return level == levels ? scalable ? -0x7B : -0x3 : scalable ? -0x78 : -0x7;
            }
            long entry = load(slot);
            if (!bit(entry, 0) && !bit(entry, 1)) {
                return scalable ? -0x79 : write ? -0x5 : -0x6;
            }
            boolean leaf = level == 1 || low <= largestSecondLeaf && bit(entry, 7);
            if (anyBit(entry, HOST_BITS, 51) || bit(entry, 62) || leaf && !snoopControl && bit(entry, 11)
                    || leaf && level > 1 && anyBit(entry, 12, low - 1)
                    || !leaf && (bit(entry, 11) || bit(entry, 7))) {
                return scalable ? -0x7A : -0xC;
            }
            mayRead &= bit(entry, 0);
            mayWrite &= bit(entry, 1);
            if (!leaf) {
                if (secondStageMarks) {
                    writes.put(slot, entry | 1L << 8);
                }
                table = field(entry, 12, HOST_BITS - 1);
                continue;
            }
            if (scalable && !mayRead && !mayWrite) {
                return -0x79;
            }
            if (write && !mayWrite) {
                return scalable ? -0x85 : -0x5;
            }
            if (read && !mayRead) {
                return scalable ? -0x86 : -0x6;
            }
            if (secondStageMarks) {
                writes.put(slot, entry | 1L << 8 | (write ? 1L << 9 : 0));
            }
            leafBits = low;
            readable = mayRead;
            writable = mayWrite;
            return field(entry, low, HOST_BITS - 1) | field(address, 0, low - 1);
        }
    }

    /** First stage; {@code secondRoot} 0 for no nesting. */
    long first(long root, int levels, long address, boolean write, boolean extendedAccessed, long secondRoot, int secondLevels) {
        int top = 11 + 9 * levels;
        for (int bit = top; bit < 64; bit++) {
            if (bit(address, bit) != bit(address, top)) {
                return -0x80;
            }
        }
        long table = root;
        boolean mayWrite = true;
        for (int level = levels; ; level--) {
            int low = 12 + 9 * (level - 1);
            long slot = table + 8 * (field(address, low, low + 8) >>> low);
            boolean slotWritable = true;
            if (secondRoot != 0) {
                if (slot >>> 12 + 9 * secondLevels != 0) {
                    return -0x74;
                }
                slot = second(secondRoot, secondLevels, slot, true, secondStageMarks);
                if (slot == -0x86 || slot == -0x85) {
                    return level == levels ? -0x75 : -0x76;
                }
                if (slot < 0) {
                    return slot;
                }
                slotWritable = writable;
            }
            slot -= busOffset;
            if (!HostMemory.isBacked(slot)) {
                return level == levels ? -0x73 : -0x70;
            }
            long entry = load(slot);
            if (!bit(entry, 0)) {
                return -0x71;
            }
            boolean leaf = level == 1 || low <= largestFirstLeaf && bit(entry, 7);
            if (anyBit(entry, HOST_BITS, 51) || leaf && level > 1 && anyBit(entry, 13, low - 1) || !leaf && bit(entry, 7)) {
                return -0x72;
            }
            if (!supervisor && !bit(entry, 2)) {
                return -0x81;
            }
            mayWrite &= bit(entry, 1);
            if (leaf && write && !mayWrite && !(supervisor && !writeProtect)) {
                return -0x85;
            }
            long marked = entry | 1L << 5 | (extendedAccessed ? 1L << 10 : 0) | (leaf && write ? 1L << 6 : 0);
            if (marked != entry && !slotWritable) {
                return -0x77;
            }
            if (!leaf) {
                writes.put(slot, marked);
                table = field(entry, 12, HOST_BITS - 1);
                continue;
            }
            long output = field(entry, low, HOST_BITS - 1) | field(address, 0, low - 1);
            leafBits = low;
            if (secondRoot != 0) {
                if (output >>> 12 + 9 * secondLevels != 0) {
                    return -0x74;
                }
                output = second(secondRoot, secondLevels, output, !write, write);
                if (output < 0) {
                    return output;
                }
                leafBits = Math.min(leafBits, low);
            }
            // A guest's table may map itself: the entry may have changed by the walk of the page.
            writes.put(slot, load(slot) | marked & ~entry);
            return output;
        }
    }
}
