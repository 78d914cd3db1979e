package iommu.tck;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Frames that run out on demand. Freed frames are overwritten, so that who still walks them is found out; wrong frees are
 * refused. Allocates no Java objects once warm.
 */
final class KitTables implements TableMemory {
    private static final int SMALLEST_BYTES = 1 << MIN_FRAME_LG2;
    private static final MemorySegment ZEROS = Arena.global().allocate(SMALLEST_BYTES, Long.BYTES);
    private static final MemorySegment POISON = Arena.global().allocate(SMALLEST_BYTES, Long.BYTES).fill((byte) 0x5A);
    private static final int MAX_FRAME_LG2 = 25;
    private static final int NEVER = 0;

    private final long baseAddress;
    private final long lengthBytes;
    /** log2 of the size of the frame that starts there, 0 if none was handed out. */
    private final byte[] handedOutLg2;
    private final long[][] free = new long[MAX_FRAME_LG2 + 1][16];
    private final int[] freeCount = new int[MAX_FRAME_LG2 + 1];
    private long untouched;
    private long bytesInUse;
    private int allocationsUntilFailure = NEVER;

    /** @param baseAddress physical address, aligned for the largest frame, of memory that is zero and backed */
    KitTables(long baseAddress, long lengthBytes) {
        this.baseAddress = baseAddress;
        this.lengthBytes = lengthBytes;
        untouched = baseAddress;
        handedOutLg2 = new byte[(int) (lengthBytes >>> MIN_FRAME_LG2)];
    }

    /** The n-th allocation from now on fails, and none after it. @param n 1 for the next one */
    synchronized void failAllocation(int n) {
        allocationsUntilFailure = n;
    }

    /** Ends {@link #failAllocation}. @return whether the failure had not happened yet */
    synchronized boolean stopFailing() {
        boolean pending = allocationsUntilFailure != NEVER;
        allocationsUntilFailure = NEVER;
        return pending;
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
        if (sizeLg2 < MIN_FRAME_LG2 || sizeLg2 > MAX_FRAME_LG2) {
            throw new IommufdException(Errno.EINVAL, "a frame has 2^12 to 2^25 bytes, not 2^" + sizeLg2);
        }
        if (allocationsUntilFailure != NEVER && --allocationsUntilFailure == NEVER) {
            throw new IommufdException(Errno.ENOMEM, "the compatibility kit lets this allocation fail");
        }
        long frame = freeCount[sizeLg2] > 0 ? reused(sizeLg2) : fresh(sizeLg2);
        handedOutLg2[index(frame)] = (byte) sizeLg2;
        bytesInUse += 1L << sizeLg2;
        return frame;
    }

    private long reused(int sizeLg2) {
        long frame = free[sizeLg2][--freeCount[sizeLg2]];
        overwrite(frame, sizeLg2, ZEROS);
        return frame;
    }

    private long fresh(int sizeLg2) {
        long size = 1L << sizeLg2;
        long frame = untouched + size - 1 & -size;
        if (frame + size > baseAddress + lengthBytes) {
            throw new IommufdException(Errno.ENOMEM, "all %d bytes for tables are in use".formatted(lengthBytes));
        }
        untouched = frame + size;
        return frame;
    }

    @Override
    public synchronized void free(long physicalAddress, int sizeLg2) {
        long offset = physicalAddress - baseAddress;
        if (offset < 0 || offset >= lengthBytes || handedOutLg2[index(physicalAddress)] != sizeLg2) {
            throw new IllegalStateException("no frame of 2^%d bytes is in use at 0x%x".formatted(sizeLg2, physicalAddress));
        }
        handedOutLg2[index(physicalAddress)] = 0;
        overwrite(physicalAddress, sizeLg2, POISON);
        if (freeCount[sizeLg2] == free[sizeLg2].length) {
            free[sizeLg2] = Arrays.copyOf(free[sizeLg2], freeCount[sizeLg2] * 2);
        }
        free[sizeLg2][freeCount[sizeLg2]++] = physicalAddress;
        bytesInUse -= 1L << sizeLg2;
    }

    @Override
    public synchronized long bytesInUse() {
        return bytesInUse;
    }

    private int index(long physicalAddress) {
        return (int) (physicalAddress - baseAddress >>> MIN_FRAME_LG2);
    }

    /** Without a slice, which is an object that the compiler does not always do without. */
    private static void overwrite(long physicalAddress, int sizeLg2, MemorySegment content) {
        for (long done = 0; done < 1L << sizeLg2; done += SMALLEST_BYTES) {
            MemorySegment.copy(content, 0, HostMemory.WINDOW, physicalAddress + done, SMALLEST_BYTES);
        }
    }
}
