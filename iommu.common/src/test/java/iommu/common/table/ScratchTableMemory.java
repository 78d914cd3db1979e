package iommu.common.table;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/** Frames for tests; fails on demand. One test at a time uses its part of the physical space. */
public final class ScratchTableMemory implements TableMemory {
    private static final long BASE = 1L << 36;
    private static final long LENGTH = 4L << 30;
    private static boolean backed;

    private final Map<Integer, Deque<Long>> free = new HashMap<>();
    private long next = BASE;
    private long bytesInUse;
    private long allocationsUntilFailure = Long.MAX_VALUE;

    /** Memory that is zero-filled whatever earlier tests left. */
    public ScratchTableMemory() {
        if (!backed) {
            HostMemory.backAnonymous(BASE, LENGTH, false);
            backed = true;
        }
    }

    /** The allocation after {@code count} more ones fails, and all later ones. */
    public void failAfter(long count) {
        allocationsUntilFailure = count;
    }

    @Override
    public long baseAddress() {
        return BASE;
    }

    @Override
    public long lengthBytes() {
        return LENGTH;
    }

    @Override
    public synchronized long allocate(int sizeLg2) {
        if (allocationsUntilFailure-- <= 0) {
            throw new IommufdException(Errno.ENOMEM, "this test allows no more frames");
        }
        long size = 1L << sizeLg2;
        Deque<Long> frames = free.computeIfAbsent(sizeLg2, lg2 -> new ArrayDeque<>());
        long address = frames.isEmpty() ? next + size - 1 & -size : frames.pop();
        next = Math.max(next, address + size);
        if (next > BASE + LENGTH) {
            throw new IommufdException(Errno.ENOMEM, "the test's tables are used up");
        }
        HostMemory.WINDOW.asSlice(address, size).fill((byte) 0);
        bytesInUse += size;
        return address;
    }

    @Override
    public synchronized void free(long physicalAddress, int sizeLg2) {
        HostMemory.WINDOW.asSlice(physicalAddress, 1L << sizeLg2).fill((byte) 0xa5);
        free.get(sizeLg2).push(physicalAddress);
        bytesInUse -= 1L << sizeLg2;
    }

    @Override
    public synchronized long bytesInUse() {
        return bytesInUse;
    }
}
