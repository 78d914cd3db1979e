package iommu.smmuv3;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/** Frames for one test, which run out on demand; the upper half of it is memory for DMA. */
final class ScratchTableMemory implements TableMemory, AutoCloseable {
    private static final long BASE = 3L << 40;
    private static final long TABLES_BYTES = 128L << 20;
    private static final long BYTES = 2 * TABLES_BYTES;

    private final Map<Integer, Deque<Long>> free = new HashMap<>();
    private long untouched = BASE;
    private long ram = BASE + TABLES_BYTES;
    private long bytesInUse;
    private int allocationsUntilFailure;

    ScratchTableMemory() {
        HostMemory.backAnonymous(BASE, BYTES, false);
    }

    /** Physical address of memory for DMA. */
    long ram(long bytes, long alignment) {
        long address = ram + alignment - 1 & -alignment;
        ram = address + bytes;
        return address;
    }

    /** The n-th allocation from now on fails; 0 for none. */
    synchronized void failAllocation(int n) {
        allocationsUntilFailure = n;
    }

    @Override
    public long baseAddress() {
        return BASE;
    }

    @Override
    public long lengthBytes() {
        return TABLES_BYTES;
    }

    @Override
    public synchronized long allocate(int sizeLg2) {
        if (allocationsUntilFailure > 0 && --allocationsUntilFailure == 0) {
            throw new IommufdException(Errno.ENOMEM, "this test has no frame left");
        }
        Deque<Long> frames = free.computeIfAbsent(sizeLg2, size -> new ArrayDeque<>());
        long frame;
        if (frames.isEmpty()) {
            frame = untouched + (1L << sizeLg2) - 1 & -(1L << sizeLg2);
            untouched = frame + (1L << sizeLg2);
        } else {
            frame = frames.pop();
            HostMemory.WINDOW.asSlice(frame, 1L << sizeLg2).fill((byte) 0);
        }
        bytesInUse += 1L << sizeLg2;
        return frame;
    }

    /** Freed frames are spoilt, so that who still reads them is found out. */
    @Override
    public synchronized void free(long physicalAddress, int sizeLg2) {
        HostMemory.WINDOW.asSlice(physicalAddress, 1L << sizeLg2).fill((byte) 0x5a);
        free.computeIfAbsent(sizeLg2, size -> new ArrayDeque<>()).push(physicalAddress);
        bytesInUse -= 1L << sizeLg2;
    }

    @Override
    public synchronized long bytesInUse() {
        return bytesInUse;
    }

    @Override
    public void close() {
        HostMemory.unback(BASE, BYTES);
    }
}
