package devnode.fuse.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Far addresses, given to private memory of processes in chunks of 1 GiB that keep the offset in the chunk: neighbours stay
 * neighbours, and the same page has the same address as long as anything in its chunk is pinned. Thread-safe.
 */
public final class FarChunks implements FarMemory {
    private static final int CHUNK_LG2 = 30;
    private static final long CHUNK_BYTES = 1L << CHUNK_LG2;
    private static final int COUNT = (int) (END - START >>> CHUNK_LG2);

    /**
     * Instances before this one, in this process: their addresses may still be in tables of IOMMUs, so each starts elsewhere. A system
     * property, because after an update of the bundle even the classes are others.
     */
    private static final String GENERATIONS = "devnode.fuse.far.generations";
    private static final int GENERATION_CHUNKS = COUNT / 16;

    private final int firstIndex = nextGeneration() * GENERATION_CHUNKS % COUNT;
    private final AtomicReferenceArray<Chunk> chunks = new AtomicReferenceArray<>(COUNT);
    private final BitSet taken = new BitSet();

    /** A part of a process's address space. {@code pinnedBytes} is guarded by the lock of {@link FarChunks}. */
    static final class Chunk {
        private final ProcessMemory process;
        private final long virtualAddress;
        private final int index;
        private long pinnedBytes;

        private Chunk(ProcessMemory process, long virtualAddress, int index) {
            this.process = process;
            this.virtualAddress = virtualAddress;
            this.index = index;
        }
    }

    /** Pins a part of a process, all or nothing. @throws IommufdException {@link Errno#ENOMEM} */
    synchronized void pin(ProcessMemory process, long address, long lengthBytes, PinnedRuns runs) {
        long end = address + lengthBytes;
        long before = runs.totalBytes();
        for (long at = address; at < end;) {
            Chunk chunk = process.farChunks.get(at >>> CHUNK_LG2);
            if (chunk == null) {
                int index = freeIndex();
                if (index < 0) {
                    undo(runs, before);
                    throw new IommufdException(Errno.ENOMEM, "private memory of other processes uses up all far addresses");
                }
                chunk = new Chunk(process, at & -CHUNK_BYTES, index);
                taken.set(index);
                process.farChunks.put(at >>> CHUNK_LG2, chunk);
                chunks.set(index, chunk);
            }
            long partEnd = Math.min(end, chunk.virtualAddress + CHUNK_BYTES);
            chunk.pinnedBytes += partEnd - at;
            runs.add(START + ((long) chunk.index << CHUNK_LG2) + (at - chunk.virtualAddress), partEnd - at);
            at = partEnd;
        }
    }

    /** Releases pins. */
    void unpin(long physicalAddress, long lengthBytes) {
        long end = physicalAddress + lengthBytes;
        for (long at = physicalAddress; at < end;) {
            long partEnd = Math.min(end, (at & -CHUNK_BYTES) + CHUNK_BYTES);
            ProcessMemory process = chunks.get(index(at)).process;
            if (unpinPart(index(at), partEnd - at)) {
                process.farChunkGone(); // without the lock, which is taken inside the process's
            }
            at = partEnd;
        }
    }

    /** Whether anything of a process is pinned here. */
    synchronized boolean holds(ProcessMemory process) {
        return !process.farChunks.isEmpty();
    }

    private synchronized boolean unpinPart(int index, long lengthBytes) {
        Chunk chunk = chunks.get(index);
        chunk.pinnedBytes -= lengthBytes;
        assert chunk.pinnedBytes >= 0 : "more was unpinned than pinned";
        if (chunk.pinnedBytes > 0) {
            return false;
        }
        chunks.set(index, null);
        taken.clear(index);
        chunk.process.farChunks.remove(chunk.virtualAddress >>> CHUNK_LG2);
        return true;
    }

    @Override
    public boolean read(long physicalAddress, MemorySegment target) {
        return copy(physicalAddress, target, true);
    }

    @Override
    public boolean write(long physicalAddress, MemorySegment source) {
        return copy(physicalAddress, source, false);
    }

    private boolean copy(long physicalAddress, MemorySegment local, boolean reading) {
        if (!local.isNative()) {
            return Bounce.copy(local, reading, bytes -> copy(physicalAddress, bytes, reading));
        }
        long length = local.byteSize();
        if (!FarMemory.isFar(physicalAddress) || length > END - physicalAddress) {
            return false;
        }
        for (long done = 0; done < length;) {
            long at = physicalAddress + done;
            Chunk chunk = chunks.get(index(at));
            long inChunk = at & CHUNK_BYTES - 1;
            long part = Math.min(length - done, CHUNK_BYTES - inChunk);
            if (chunk == null || !chunk.process.transfer(chunk.virtualAddress + inChunk, local.asSlice(done, part), reading)) {
                return false;
            }
            done += part;
        }
        return true;
    }

    private void undo(PinnedRuns runs, long before) {
        if (runs.totalBytes() > before) {
            PinnedRuns undone = new PinnedRuns(4);
            undone.addSlice(runs, before, runs.totalBytes() - before);
            runs.truncate(before);
            for (int i = 0; i < undone.count(); i++) {
                unpin(undone.physicalAddress(i), undone.lengthBytes(i));
            }
        }
    }

    /** @return -1 if there is none */
    private int freeIndex() {
        int index = taken.nextClearBit(firstIndex);
        if (index >= COUNT) {
            index = taken.nextClearBit(0);
        }
        return index < COUNT ? index : -1;
    }

    private static int nextGeneration() {
        synchronized (System.getProperties()) {
            int generation = Integer.getInteger(GENERATIONS, 0);
            System.setProperty(GENERATIONS, String.valueOf(generation + 1));
            return generation;
        }
    }

    private static int index(long physicalAddress) {
        return (int) (physicalAddress - START >>> CHUNK_LG2);
    }
}
