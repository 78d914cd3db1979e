package devnode.fuse.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import java.util.Map;
import java.util.TreeMap;

/**
 * Who uses which part of the window above {@link HostMemory#CLIENT_MEMORY_START}. What is backed although nobody here took it is
 * still pinned through an earlier version of this bundle, and avoided. The caller locks.
 */
final class ClientRanges {
    /** Start to end of what is taken. */
    private final TreeMap<Long, Long> taken = new TreeMap<>();

    /**
     * Takes the lowest free range.
     *
     * @param lengthBytes multiple of {@link HostMemory#BACKING_BYTES}
     * @param alignmentBytes power of two, at least that
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    long take(long lengthBytes, long alignmentBytes) {
        long start = HostMemory.CLIENT_MEMORY_START;
        while (start <= HostMemory.SIZE_BYTES - lengthBytes) {
            long obstacleEnd = obstacleEnd(start, start + lengthBytes);
            if (obstacleEnd == 0) {
                taken.put(start, start + lengthBytes);
                return start;
            }
            start = obstacleEnd + alignmentBytes - 1 & -alignmentBytes;
        }
        throw new IommufdException(Errno.ENOMEM, "no 0x%x bytes are left in the physical window for memory of other processes".formatted(lengthBytes));
    }

    /** Gives back a range that was taken. */
    void give(long start) {
        Long end = taken.remove(start);
        assert end != null : "nothing was taken at 0x" + Long.toHexString(start);
    }

    private long obstacleEnd(long start, long end) {
        Map.Entry<Long, Long> below = taken.lowerEntry(end);
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
}
