package iommu.common.table;

import iommufd.api.memory.TableMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The frames of one IOMMU's tables, with two things known of each frame: how many entries it holds, and where hardware marked
 * them dirty since somebody last looked. Shared by all tables of a backend; thread-safe.
 */
public final class TablePool {
    private static final int CHUNK_FRAMES_LG2 = 16;
    private static final int CHUNK_FRAMES = 1 << CHUNK_FRAMES_LG2;

    private static final VarHandle LIVE_CHUNK = MethodHandles.arrayElementVarHandle(short[][].class);

    private final TableMemory memory;
    private final long baseAddress;
    private final short[][] liveEntries;
    private final DirtyMarks dirtyMarks;

    /** @param memory where frames come from */
    public TablePool(TableMemory memory) {
        this.memory = memory;
        baseAddress = memory.baseAddress();
        int chunks = (int) (memory.lengthBytes() >>> TableMemory.MIN_FRAME_LG2 + CHUNK_FRAMES_LG2) + 1;
        liveEntries = new short[chunks][];
        dirtyMarks = new DirtyMarks(baseAddress, memory.lengthBytes());
    }

    /** A zero-filled frame; see {@link TableMemory#allocate}. */
    public long allocate(int sizeLg2) {
        long address = memory.allocate(sizeLg2);
        int frame = frame(address);
        chunk(frame)[frame & CHUNK_FRAMES - 1] = 0;
        return address;
    }

    /** Gives a frame back. */
    public void free(long address, int sizeLg2) {
        dirtyMarks.take(address, sizeLg2);
        memory.free(address, sizeLg2);
    }

    /** Where frames come from. */
    public TableMemory memory() {
        return memory;
    }

    /**
     * Hardware set a dirty mark in an entry at {@code entryAddress}. Tables that do not come from this pool, such as a guest's,
     * are ignored. Allocates once per 256 MiB of tables.
     */
    public void markDirty(long entryAddress) {
        dirtyMarks.mark(entryAddress);
    }

    DirtyMarks dirtyMarks() {
        return dirtyMarks;
    }

    int live(long tableAddress) {
        int frame = frame(tableAddress);
        return liveEntries[frame >>> CHUNK_FRAMES_LG2][frame & CHUNK_FRAMES - 1];
    }

    void addLive(long tableAddress, int entries) {
        int frame = frame(tableAddress);
        liveEntries[frame >>> CHUNK_FRAMES_LG2][frame & CHUNK_FRAMES - 1] += (short) entries;
    }

    private int frame(long address) {
        return (int) (address - baseAddress >>> TableMemory.MIN_FRAME_LG2);
    }

    private short[] chunk(int frame) {
        int index = frame >>> CHUNK_FRAMES_LG2;
        short[] chunk = (short[]) LIVE_CHUNK.getAcquire(liveEntries, index);
        if (chunk == null) {
            LIVE_CHUNK.compareAndSet(liveEntries, index, null, new short[CHUNK_FRAMES]);
            chunk = (short[]) LIVE_CHUNK.getAcquire(liveEntries, index);
        }
        return chunk;
    }
}
