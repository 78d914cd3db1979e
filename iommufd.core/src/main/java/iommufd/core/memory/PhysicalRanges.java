package iommufd.core.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import java.util.Map;
import java.util.TreeMap;

/**
 * Who uses which part of the physical space below the addresses left to memory of other processes: one ledger per process,
 * because there is one physical space. Ranges that are backed although nobody here took them belong to an earlier version of
 * this bundle and are avoided. Thread-safe.
 */
final class PhysicalRanges {
    /** Below this only tables of hardware are placed. */
    static final long RAM_START = 128L << 30;
    private static final long START = 1L << 30;
    /** From here on addresses belong to memory of other processes. */
    private static final long END = HostMemory.SIZE_BYTES / 2;

    /** Start to end of what is taken, ascending, apart from each other or touching. */
    private static final TreeMap<Long, Long> TAKEN = new TreeMap<>();

    private PhysicalRanges() { }

    /**
     * Takes the lowest free range.
     *
     * @param lengthBytes multiple of {@link HostMemory#BACKING_BYTES}
     * @param alignmentBytes power of two, at least that
     * @param lowest where to start looking
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    static synchronized long take(long lengthBytes, long alignmentBytes, long lowest) {
        long start = alignUp(Math.max(lowest, START), alignmentBytes);
        while (start <= END - lengthBytes) {
            long next = endOfObstacle(start, start + lengthBytes);
            if (next == 0) {
                TAKEN.put(start, start + lengthBytes);
                return start;
            }
            start = alignUp(next, alignmentBytes);
        }
        throw new IommufdException(Errno.ENOMEM, "no 0x%x bytes of physical address space, aligned to 0x%x, are left"
                .formatted(lengthBytes, alignmentBytes));
    }

    /** Gives back a range that was taken. */
    static synchronized void give(long start) {
        if (TAKEN.remove(start) == null) {
            throw new IllegalArgumentException("no physical range was taken at 0x" + Long.toHexString(start));
        }
    }

    /** @return the end of something inside the range, or 0 if it is free */
    private static long endOfObstacle(long start, long end) {
        Map.Entry<Long, Long> below = TAKEN.lowerEntry(end);
        if (below != null && below.getValue() > start) {
            return below.getValue();
        }
        for (long granule = end - HostMemory.BACKING_BYTES; granule >= start; granule -= HostMemory.BACKING_BYTES) {
            if (HostMemory.isBacked(granule)) {
                return granule + HostMemory.BACKING_BYTES;
            }
        }
        return 0;
    }

    private static long alignUp(long address, long alignmentBytes) {
        return address + alignmentBytes - 1 & -alignmentBytes;
    }
}
