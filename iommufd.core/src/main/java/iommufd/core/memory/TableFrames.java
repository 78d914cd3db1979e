package iommufd.core.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Frames out of one part of the physical space, by stacks of free frames per size; larger frames are halved on demand, halves
 * are joined only when the part is used up. Chunks get memory at first use and keep it. Thread-safe.
 */
public final class TableFrames implements TableMemory {
    /** Largest frame, and what memory is asked for at once. */
    private static final int MAX_FRAME_LG2 = 25;
    private static final long CHUNK_BYTES = 1L << MAX_FRAME_LG2;
    private static final byte[] ZEROS = new byte[1 << MIN_FRAME_LG2];

    private final long baseAddress;
    private final long lengthBytes;
    private final ReentrantLock lock = new ReentrantLock();
    private final FrameStack[] free = new FrameStack[MAX_FRAME_LG2 + 1];
    /** Per chunk, per smallest frame: the size of the frame handed out there, or 0. */
    private final byte[][] handedOut;
    private int chunks;
    private long bytesInUse;
    private boolean closed;

    /**
     * @param baseAddress multiple of 32 MiB; nothing is backed there yet
     * @param lengthBytes multiple of 32 MiB
     */
    public TableFrames(long baseAddress, long lengthBytes) {
        if (((baseAddress | lengthBytes) & CHUNK_BYTES - 1) != 0 || baseAddress <= 0 || lengthBytes <= 0) {
            throw new IommufdException(Errno.EINVAL, "tables cannot lie at 0x%x + 0x%x: both must be multiples of 32 MiB"
                    .formatted(baseAddress, lengthBytes));
        }
        this.baseAddress = baseAddress;
        this.lengthBytes = lengthBytes;
        this.handedOut = new byte[(int) (lengthBytes / CHUNK_BYTES)][];
        for (int sizeLg2 = MIN_FRAME_LG2; sizeLg2 <= MAX_FRAME_LG2; sizeLg2++) {
            free[sizeLg2] = new FrameStack();
        }
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
    public long allocate(int sizeLg2) {
        if (sizeLg2 < MIN_FRAME_LG2 || sizeLg2 > MAX_FRAME_LG2) {
            throw new IommufdException(Errno.EINVAL, "there are no frames of 2^%d bytes, only of 2^12 to 2^25".formatted(sizeLg2));
        }
        lock.lock();
        try {
            long frame = take(sizeLg2);
            bytesInUse += 1L << sizeLg2;
            handedOut[chunkOf(frame)][frameOf(frame)] = (byte) sizeLg2;
            return frame;
        } finally {
            lock.unlock();
        }
    }

    /**
     * @throws IllegalArgumentException if no frame of that size was handed out there: its owner would destroy another's tables
     */
    @Override
    public void free(long physicalAddress, int sizeLg2) {
        lock.lock();
        try {
            boolean inside = physicalAddress >= baseAddress && physicalAddress < baseAddress + chunks * CHUNK_BYTES;
            if (!inside || handedOut[chunkOf(physicalAddress)][frameOf(physicalAddress)] != sizeLg2
                    || (physicalAddress & (1L << MIN_FRAME_LG2) - 1) != 0) {
                throw new IllegalArgumentException("no frame of 2^%d bytes is in use at 0x%x".formatted(sizeLg2, physicalAddress));
            }
            handedOut[chunkOf(physicalAddress)][frameOf(physicalAddress)] = 0;
            bytesInUse -= 1L << sizeLg2;
            if (!closed) {
                clear(physicalAddress, 1L << sizeLg2);
                free[sizeLg2].push(physicalAddress);
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long bytesInUse() {
        lock.lock();
        try {
            return bytesInUse;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the memory away; nobody may read a frame any more, but those in use can still be given back.
     *
     * @return false if that was done before
     */
    boolean close() {
        lock.lock();
        try {
            if (closed) {
                return false;
            }
            closed = true;
            if (chunks > 0) {
                HostMemory.unback(baseAddress, chunks * CHUNK_BYTES);
            }
            Arrays.fill(free, new FrameStack());
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** A zero-filled frame: what is free was never used or was cleared. */
    private long take(int sizeLg2) {
        int from = sizeLg2;
        while (from <= MAX_FRAME_LG2 && free[from].isEmpty()) {
            from++;
        }
        if (from > MAX_FRAME_LG2) {
            if (closed || (chunks == handedOut.length && !joinBuddies(sizeLg2))) {
                throw new IommufdException(Errno.ENOMEM, "the 0x%x bytes for tables of IOMMU hardware are used up".formatted(lengthBytes));
            }
            if (chunks < handedOut.length && free[MAX_FRAME_LG2].isEmpty()) {
                addChunk();
            }
            return take(sizeLg2);
        }
        long frame = free[from].pop();
        while (from > sizeLg2) {
            from--;
            free[from].push(frame + (1L << from));
        }
        return frame;
    }

    private void addChunk() {
        long chunk = baseAddress + chunks * CHUNK_BYTES;
        HostMemory.backAnonymous(chunk, CHUNK_BYTES, false);
        handedOut[chunks++] = new byte[1 << MAX_FRAME_LG2 - MIN_FRAME_LG2];
        free[MAX_FRAME_LG2].push(chunk);
    }

    /** Makes larger frames of free halves. @return whether one of the size or larger is free now */
    private boolean joinBuddies(int sizeLg2) {
        for (int half = MIN_FRAME_LG2; half < MAX_FRAME_LG2; half++) {
            free[half].joinBuddies(half, free[half + 1]);
        }
        for (int size = sizeLg2; size <= MAX_FRAME_LG2; size++) {
            if (!free[size].isEmpty()) {
                return true;
            }
        }
        return false;
    }

    private static void clear(long physicalAddress, long lengthBytes) {
        for (long offset = 0; offset < lengthBytes; offset += ZEROS.length) {
            MemorySegment.copy(ZEROS, 0, HostMemory.WINDOW, ValueLayout.JAVA_BYTE, physicalAddress + offset, ZEROS.length);
        }
    }

    private int chunkOf(long frame) {
        return (int) (frame - baseAddress >>> MAX_FRAME_LG2);
    }

    private static int frameOf(long frame) {
        return (int) ((frame & CHUNK_BYTES - 1) >>> MIN_FRAME_LG2);
    }

    /** Free frames of one size. */
    private static final class FrameStack {
        private long[] frames = new long[16];
        private int count;

        boolean isEmpty() {
            return count == 0;
        }

        void push(long frame) {
            if (count == frames.length) {
                frames = Arrays.copyOf(frames, count * 2);
            }
            frames[count++] = frame;
        }

        long pop() {
            return frames[--count];
        }

        void joinBuddies(int sizeLg2, FrameStack larger) {
            Arrays.sort(frames, 0, count);
            long size = 1L << sizeLg2;
            int kept = 0;
            for (int i = 0; i < count; i++) {
                boolean lower = (frames[i] & size) == 0;
                if (lower && i + 1 < count && frames[i + 1] == frames[i] + size) {
                    larger.push(frames[i++]);
                } else {
                    frames[kept++] = frames[i];
                }
            }
            count = kept;
        }
    }
}
