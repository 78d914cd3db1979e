package vfio.compat.container;

import java.util.Arrays;

/**
 * The mappings of a container by IOVA: what type 1 counts, unmaps and makes bitmaps of. Sorted arrays, because most programs map
 * in ascending order, and nothing has to be allocated. Not thread-safe.
 */
final class DmaMappings {
    private static final byte MOVED_AWAY = 1;
    private static final byte WRITTEN = 2;

    private long[] starts = new long[16];
    private long[] lasts = new long[16];
    private byte[] flags = new byte[16];
    private int count;
    private int movedAway;

    int count() {
        return count;
    }

    long start(int index) {
        return starts[index];
    }

    long last(int index) {
        return lasts[index];
    }

    /** Bytes of mappings {@code [from, end)}. */
    long bytes(int from, int end) {
        long sum = 0;
        for (int i = from; i < end; i++) {
            sum += lasts[i] - starts[i] + 1;
        }
        return sum;
    }

    /** The first mapping that ends at {@code iova} or above; {@link #count()} if there is none. */
    int firstReaching(long iova) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = low + high >>> 1;
            if (Long.compareUnsigned(lasts[middle], iova) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Whether mapping {@code index} exists and starts at {@code iova} or below. */
    boolean startsBy(int index, long iova) {
        return index < count && Long.compareUnsigned(starts[index], iova) <= 0;
    }

    /** Whether an end of the range lies inside of a mapping, not at its border. */
    boolean cutBy(long start, long last) {
        int atStart = firstReaching(start);
        int atLast = firstReaching(last);
        return startsBy(atStart, start) && starts[atStart] != start || startsBy(atLast, last) && lasts[atLast] != last;
    }

    /** Adds a mapping that overlaps none. */
    void insert(long start, long last) {
        if (count == starts.length) {
            starts = Arrays.copyOf(starts, count * 2);
            lasts = Arrays.copyOf(lasts, count * 2);
            flags = Arrays.copyOf(flags, count * 2);
        }
        int at = firstReaching(start);
        shift(at, at + 1);
        starts[at] = start;
        lasts[at] = last;
        flags[at] = 0;
        count++;
    }

    /** Forgets mappings {@code [from, end)}. */
    void remove(int from, int end) {
        for (int i = from; i < end; i++) {
            movedAway -= flags[i] & MOVED_AWAY;
        }
        shift(end, from);
        count -= end - from;
    }

    private void shift(int from, int to) {
        System.arraycopy(starts, from, starts, to, count - from);
        System.arraycopy(lasts, from, lasts, to, count - from);
        System.arraycopy(flags, from, flags, to, count - from);
    }

    /** Whether the client has said that the mapping's memory moves in its address space, and not yet where to. */
    boolean movedAway(int index) {
        return (flags[index] & MOVED_AWAY) != 0;
    }

    void setMovedAway(int index, boolean away) {
        movedAway += (away ? 1 : 0) - (flags[index] & MOVED_AWAY);
        flags[index] = (byte) (flags[index] & ~MOVED_AWAY | (away ? MOVED_AWAY : 0));
    }

    boolean anyMovedAway() {
        return movedAway > 0;
    }

    /** Whether any page may have been written without a record. */
    boolean maybeWritten(int index) {
        return (flags[index] & WRITTEN) != 0;
    }

    void setMaybeWritten(int index, boolean written) {
        flags[index] = (byte) (flags[index] & ~WRITTEN | (written ? WRITTEN : 0));
    }
}
