package bench;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.util.Arrays;

/** Page-table frames of 4 KiB without the engine: a stack of free ones, else the next that was never used. */
final class Frames implements TableMemory {
    private static final int FRAME_BYTES = 1 << MIN_FRAME_LG2;

    private final long baseAddress;
    private final long lengthBytes;
    private long next;
    private long[] free = new long[1024];
    private int freeCount;

    Frames(long baseAddress, long lengthBytes) {
        this.baseAddress = baseAddress;
        this.lengthBytes = lengthBytes;
        next = baseAddress;
        HostMemory.backAnonymous(baseAddress, lengthBytes, true);
    }

    @Override
    public long baseAddress() {
        return baseAddress;
    }

    @Override
    public long lengthBytes() {
        return lengthBytes;
    }

    @Override
    public synchronized long allocate(int sizeLg2) {
        if (sizeLg2 != MIN_FRAME_LG2 || freeCount == 0 && next == baseAddress + lengthBytes) {
            throw new IommufdException(Errno.ENOMEM, "the benchmark has no frame of 2^" + sizeLg2 + " bytes left");
        }
        if (freeCount > 0) {
            long frame = free[--freeCount];
            HostMemory.WINDOW.asSlice(frame, FRAME_BYTES).fill((byte) 0);
            return frame;
        }
        long frame = next;
        next += FRAME_BYTES;
        return frame;
    }

    @Override
    public synchronized void free(long physicalAddress, int sizeLg2) {
        if (freeCount == free.length) {
            free = Arrays.copyOf(free, freeCount * 2);
        }
        free[freeCount++] = physicalAddress;
    }

    @Override
    public synchronized long bytesInUse() {
        return next - baseAddress - (long) freeCount * FRAME_BYTES;
    }
}
