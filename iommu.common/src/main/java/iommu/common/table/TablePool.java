package iommu.common.table;

import iommufd.api.memory.TableMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The frames of one IOMMU's tables, with two things known of each frame: how many entries it holds, and whether hardware marked
 * one of them dirty since somebody last looked. Shared by all tables of a backend; thread-safe.
 */
public final class TablePool {
    private static final int CHUNK_FRAMES_LG2 = 16;
    private static final int CHUNK_FRAMES = 1 << CHUNK_FRAMES_LG2;

    private static final VarHandle LIVE_CHUNK = MethodHandles.arrayElementVarHandle(short[][].class);

    private final TableMemory memory;
    private final long baseAddress;
    private final int chunks;
    private final short[][] liveEntries;
    private final AtomicReferenceArray<AtomicLongArray> dirtyFrames;

    /** @param memory where frames come from */
    public TablePool(TableMemory memory) {
        this.memory = memory;
        baseAddress = memory.baseAddress();
        chunks = (int) (memory.lengthBytes() >>> TableMemory.MIN_FRAME_LG2 + CHUNK_FRAMES_LG2) + 1;
        liveEntries = new short[chunks][];
        dirtyFrames = new AtomicReferenceArray<>(chunks);
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
        takeDirty(address, sizeLg2);
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
        long offset = entryAddress - baseAddress;
        if (offset < 0 || offset >>> TableMemory.MIN_FRAME_LG2 + CHUNK_FRAMES_LG2 >= chunks) {
            return;
        }
        int frame = frame(entryAddress);
        AtomicLongArray bits = dirtyChunk(frame);
        int bit = frame & CHUNK_FRAMES - 1;
        long mask = 1L << bit;
        if ((bits.getOpaque(bit >>> 6) & mask) == 0) {
            setBits(bits, bit >>> 6, mask);
        }
    }

    /** Whether hardware may have marked an entry of the table of {@code 1 << sizeLg2} bytes at {@code address}. */
    boolean isDirty(long address, int sizeLg2) {
        int first = frame(address);
        int last = frame(address + (1L << sizeLg2) - 1);
        for (int frame = first; frame <= last; frame = (frame | 63) + 1) {
            AtomicLongArray bits = dirtyFrames.get(frame >>> CHUNK_FRAMES_LG2);
            if (bits != null && (bits.get((frame & CHUNK_FRAMES - 1) >>> 6) & mask(frame, last)) != 0) {
                return true;
            }
        }
        return false;
    }

    /** As {@link #isDirty}, and forgets it. Entries are read after this, so that none is lost. */
    boolean takeDirty(long address, int sizeLg2) {
        if (!isDirty(address, sizeLg2)) {
            return false;
        }
        int last = frame(address + (1L << sizeLg2) - 1);
        for (int frame = frame(address); frame <= last; frame = (frame | 63) + 1) {
            AtomicLongArray bits = dirtyFrames.get(frame >>> CHUNK_FRAMES_LG2);
            long mask = mask(frame, last);
            if (bits != null) {
                clearBits(bits, (frame & CHUNK_FRAMES - 1) >>> 6, mask);
            }
        }
        return true;
    }

    private static void setBits(AtomicLongArray bits, int word, long mask) {
        long old;
        do {
            old = bits.get(word);
        } while (!bits.compareAndSet(word, old, old | mask));
    }

    private static void clearBits(AtomicLongArray bits, int word, long mask) {
        long old;
        do {
            old = bits.get(word);
        } while (!bits.compareAndSet(word, old, old & ~mask));
    }

    /** Bits of the word that has {@code frame}, from it up to {@code last}. */
    private static long mask(int frame, int last) {
        long upTo = last - (frame & ~63) >= 63 ? -1L : (1L << (last & 63) + 1) - 1;
        return upTo & -1L << (frame & 63);
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

    private AtomicLongArray dirtyChunk(int frame) {
        int index = frame >>> CHUNK_FRAMES_LG2;
        AtomicLongArray chunk = dirtyFrames.get(index);
        if (chunk == null) {
            dirtyFrames.compareAndSet(index, null, new AtomicLongArray(CHUNK_FRAMES >>> 6));
            chunk = dirtyFrames.get(index);
        }
        return chunk;
    }
}
