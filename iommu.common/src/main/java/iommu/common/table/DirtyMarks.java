package iommu.common.table;

import iommufd.api.memory.TableMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Where hardware set dirty marks since somebody last looked: a bit for each line of 8 entries, and above it a bit for each frame.
 * Thread-safe.
 *
 * <p>Hardware marks the entry, then its line, then its frame. A reader takes back in the opposite order before it reads entries,
 * so that a mark it did not see is found the next time. All accesses are sequentially consistent.
 */
final class DirtyMarks {
    /** Entries per line. */
    static final int LINE_ENTRIES = 8;
    /** Lines per frame: one word of marks. */
    static final int FRAME_LINES = Long.SIZE;

    private static final int FRAME_LG2 = TableMemory.MIN_FRAME_LG2;
    private static final int LINE_LG2 = FRAME_LG2 - 6;
    private static final int CHUNK_FRAMES_LG2 = 16;
    private static final int CHUNK_FRAMES = 1 << CHUNK_FRAMES_LG2;
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle CHUNK = MethodHandles.arrayElementVarHandle(long[][].class);

    private final long baseAddress;
    private final long[][] lineMarks;
    private final long[][] frameMarks;

    DirtyMarks(long baseAddress, long lengthBytes) {
        this.baseAddress = baseAddress;
        int chunks = (int) (lengthBytes >>> FRAME_LG2 + CHUNK_FRAMES_LG2) + 1;
        lineMarks = new long[chunks][];
        frameMarks = new long[chunks][];
    }

    /** Marks the line and the frame of an entry; addresses elsewhere are ignored. Allocates once per 256 MiB of tables. */
    void mark(long entryAddress) {
        long offset = entryAddress - baseAddress;
        if (offset < 0 || offset >>> FRAME_LG2 + CHUNK_FRAMES_LG2 >= lineMarks.length) {
            return;
        }
        int frame = (int) (offset >>> FRAME_LG2);
        int inChunk = frame & CHUNK_FRAMES - 1;
        set(chunk(lineMarks, frame, CHUNK_FRAMES), inChunk, 1L << (offset >>> LINE_LG2));
        set(chunk(frameMarks, frame, CHUNK_FRAMES >>> 6), inChunk >>> 6, 1L << inChunk);
    }

    /** Marks every line of a table's first {@code count} entries, as {@link #mark} of each. */
    void markAll(long tableAddress, int count) {
        int frameEntries = FRAME_LINES * LINE_ENTRIES;
        for (int first = 0; first < count; first += frameEntries) {
            int frame = frame(tableAddress + first * 8L);
            int inChunk = frame & CHUNK_FRAMES - 1;
            int left = count - first;
            int from = (int) (tableAddress + first * 8L - baseAddress >>> LINE_LG2) & FRAME_LINES - 1;   // of a table smaller than a frame
            int lineCount = Math.min(FRAME_LINES, (left + LINE_ENTRIES - 1) / LINE_ENTRIES);
            long lines = -1L >>> FRAME_LINES - lineCount << from;
            WORD.getAndBitwiseOr(chunk(lineMarks, frame, CHUNK_FRAMES), inChunk, lines);
            set(chunk(frameMarks, frame, CHUNK_FRAMES >>> 6), inChunk >>> 6, 1L << inChunk);
        }
    }

    private static void set(long[] words, int index, long bit) {
        if (((long) WORD.getVolatile(words, index) & bit) == 0) {
            WORD.getAndBitwiseOr(words, index, bit);
        }
    }

    private static long[] chunk(long[][] chunks, int frame, int words) {
        int index = frame >>> CHUNK_FRAMES_LG2;
        long[] chunk = (long[]) CHUNK.getAcquire(chunks, index);
        if (chunk == null) {
            CHUNK.compareAndSet(chunks, index, null, new long[words]);
            chunk = (long[]) CHUNK.getAcquire(chunks, index);
        }
        return chunk;
    }

    /** Whether any line of the table of {@code 1 << sizeLg2} bytes is marked. */
    boolean any(long tableAddress, int sizeLg2) {
        int first = frame(tableAddress);
        if (sizeLg2 <= FRAME_LG2) {
            return (frameWord(first) & 1L << first) != 0;
        }
        int last = first + (1 << sizeLg2 - FRAME_LG2) - 1;
        for (int frame = first; frame <= last; frame = (frame | 63) + 1) {
            if ((frameWord(frame) & mask(frame, last)) != 0) {
                return true;
            }
        }
        return false;
    }

    private long frameWord(int frame) {
        long[] words = (long[]) CHUNK.getAcquire(frameMarks, frame >>> CHUNK_FRAMES_LG2);
        return words == null ? 0 : (long) WORD.getVolatile(words, (frame & CHUNK_FRAMES - 1) >>> 6);
    }

    /** Bits of the word that has {@code frame}, from it up to {@code last}. */
    private static long mask(int frame, int last) {
        long upTo = last - (frame & ~63) >= 63 ? -1L : (1L << (last & 63) + 1) - 1;
        return upTo & -1L << (frame & 63);
    }

    /** Marked lines of the frame at {@code frameAddress}, bit n for the n-th. */
    long lines(long frameAddress) {
        int frame = frame(frameAddress);
        long[] words = (long[]) CHUNK.getAcquire(lineMarks, frame >>> CHUNK_FRAMES_LG2);
        return words == null ? 0 : (long) WORD.getVolatile(words, frame & CHUNK_FRAMES - 1);
    }

    /** As {@link #lines}, and forgets them. Entries are read after this, so that none is lost. */
    long takeLines(long frameAddress) {
        int frame = frame(frameAddress);
        long bit = 1L << frame;
        if ((frameWord(frame) & bit) == 0) {
            return 0;
        }
        int inChunk = frame & CHUNK_FRAMES - 1;
        WORD.getAndBitwiseAnd(frameMarks[frame >>> CHUNK_FRAMES_LG2], inChunk >>> 6, ~bit);
        return (long) WORD.getAndSet(lineMarks[frame >>> CHUNK_FRAMES_LG2], inChunk, 0L);
    }

    /** Forgets all of a table. @return whether there was anything */
    boolean take(long tableAddress, int sizeLg2) {
        if (!any(tableAddress, sizeLg2)) {
            return false;
        }
        for (long frame = tableAddress; frame < tableAddress + (1L << sizeLg2); frame += 1L << FRAME_LG2) {
            takeLines(frame);
        }
        return true;
    }

    private int frame(long address) {
        return (int) (address - baseAddress >>> FRAME_LG2);
    }
}
