package vfio.adapter.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Which memory a device wrote: a bit for each page of some ranges, as devices with a dirty log of their own keep it. Recording is
 * free of locks and allocates nothing. Thread-safe.
 */
public final class DmaLog {
    /** Records nothing. */
    public static final DmaLog OFF = new DmaLog(0, new long[0], new long[0]);
    /** Smallest page. */
    public static final long MIN_PAGE_BYTES = 4096;
    /** Bits of all ranges together; larger ranges get larger pages. */
    private static final long MAX_BITS = 1L << 27;
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

    private final int pageLg2;
    /** Ascending, with {@link #lasts}; both inclusive. */
    private final long[] starts;
    private final long[] lasts;
    private final long[][] bits;

    private DmaLog(int pageLg2, long[] starts, long[] lasts) {
        this.pageLg2 = pageLg2;
        this.starts = starts;
        this.lasts = lasts;
        bits = new long[starts.length][];
        for (int i = 0; i < starts.length; i++) {
            bits[i] = new long[(int) (pages(starts[i], lasts[i], pageLg2) + Long.SIZE - 1 >>> 6)];
        }
    }

    /** Told of every dirty page of a report. */
    @FunctionalInterface
    public interface Sink {
        /** Something in {@code [iova, lastIova]} was written. */
        void dirty(long iova, long lastIova);
    }

    /**
     * A log of ranges that do not overlap.
     *
     * @param starts first addresses, ascending, unsigned
     * @param lasts last addresses
     * @param pageBytes what the client wants a bit to stand for; a power of two
     * @throws IommufdException {@link Errno#ENOMEM} if the ranges are too many for any page size
     */
    public static DmaLog of(long[] starts, long[] lasts, long pageBytes) {
        int lg2 = Long.numberOfTrailingZeros(Math.max(pageBytes, MIN_PAGE_BYTES));
        while (lg2 < Long.SIZE - 1 && total(starts, lasts, lg2) > MAX_BITS) {
            lg2++;
        }
        return new DmaLog(lg2, starts.clone(), lasts.clone());
    }

    private static long total(long[] starts, long[] lasts, int lg2) {
        long total = 0;
        for (int i = 0; i < starts.length; i++) {
            total += pages(starts[i], lasts[i], lg2);
            if (total < 0) {
                return Long.MAX_VALUE;
            }
        }
        return total;
    }

    private static long pages(long start, long last, int lg2) {
        return (last >>> lg2) - (start >>> lg2) + 1;
    }

    /** What a bit stands for. */
    public long pageBytes() {
        return 1L << pageLg2;
    }

    /** Whether anything is recorded. */
    public boolean isOn() {
        return starts.length > 0;
    }

    /** The device wrote there. What lies outside of the ranges is not recorded. */
    public void record(long iova, long lengthBytes) {
        if (starts.length == 0 || lengthBytes <= 0) {
            return;
        }
        long last = iova + lengthBytes - 1;
        for (int i = 0; i < starts.length && Long.compareUnsigned(starts[i], last) <= 0; i++) {
            if (Long.compareUnsigned(lasts[i], iova) >= 0) {
                set(i, Long.compareUnsigned(iova, starts[i]) > 0 ? iova : starts[i], Long.compareUnsigned(last, lasts[i]) < 0 ? last : lasts[i]);
            }
        }
    }

    private void set(int range, long from, long last) {
        long base = starts[range] >>> pageLg2;
        long end = last >>> pageLg2;
        for (long page = from >>> pageLg2; page <= end; page++) {
            long index = page - base;
            int word = (int) (index >>> 6);
            long bit = 1L << index;
            if (((long) WORD.getOpaque(bits[range], word) & bit) == 0) {
                WORD.getAndBitwiseOr(bits[range], word, bit);
            }
        }
    }

    /** Tells what of {@code [iova, lastIova]} was written since the last time, and forgets it. */
    public void takeDirty(long iova, long lastIova, Sink sink) {
        for (int i = 0; i < starts.length; i++) {
            boolean overlaps = Long.compareUnsigned(starts[i], lastIova) <= 0 && Long.compareUnsigned(lasts[i], iova) >= 0;
            if (overlaps) {
                long from = Long.compareUnsigned(iova, starts[i]) > 0 ? iova : starts[i];
                long last = Long.compareUnsigned(lastIova, lasts[i]) < 0 ? lastIova : lasts[i];
                take(i, from, last, sink);
            }
        }
    }

    private void take(int range, long from, long last, Sink sink) {
        long base = starts[range] >>> pageLg2;
        long firstIndex = (from >>> pageLg2) - base;
        long lastIndex = (last >>> pageLg2) - base;
        for (long word = firstIndex >>> 6; word <= lastIndex >>> 6; word++) {
            long mask = -1L;
            if (word == firstIndex >>> 6) {
                mask &= -1L << firstIndex;
            }
            if (word == lastIndex >>> 6) {
                mask &= -1L >>> Long.SIZE - 1 - (lastIndex & Long.SIZE - 1);
            }
            long taken = (long) WORD.getOpaque(bits[range], (int) word) == 0 ? 0
                    : (long) WORD.getAndBitwiseAnd(bits[range], (int) word, ~mask) & mask;
            for (; taken != 0; taken &= taken - 1) {
                long page = base + (word << 6) + Long.numberOfTrailingZeros(taken);
                long start = page << pageLg2;
                long end = start | pageBytes() - 1;
                sink.dirty(Long.compareUnsigned(start, from) < 0 ? from : start, Long.compareUnsigned(end, last) > 0 ? last : end);
            }
        }
    }
}
