package iommufd.core.space;

import iommufd.api.hardware.DirtySink;
import java.lang.foreign.MemorySegment;

/**
 * Which pages of an IOVA range were written, as a bitmap: bit n of byte n/8 is page n of the range. Bits are only ever set
 * by {@link #dirty}; the memory may have any alignment. Not thread-safe.
 */
public final class DirtyBitmap implements DirtySink {
    /**
     * A view of a caller's bitmap.
     *
     * @param iovaStart first address of the range
     * @param lengthBytes size of the range
     * @param pageSizeBytes what one bit stands for; a power of two
     * @param bits at least one bit per page; never read or written beyond
     */
    public DirtyBitmap(long iovaStart, long lengthBytes, long pageSizeBytes, MemorySegment bits) {
        throw new UnsupportedOperationException();
    }

    /** Sets the bits of all pages the range touches; parts outside the bitmap's range are ignored. */
    @Override
    public void dirty(long iova, long lengthBytes) {
        throw new UnsupportedOperationException();
    }

    /**
     * Reports runs of set bits inside {@code [iova, lastIova]}, in ascending order.
     *
     * @param clear whether to forget what is reported
     */
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        throw new UnsupportedOperationException();
    }

    /** Bytes a bitmap needs. */
    public static long bytesFor(long lengthBytes, long pageSizeBytes) {
        throw new UnsupportedOperationException();
    }
}
