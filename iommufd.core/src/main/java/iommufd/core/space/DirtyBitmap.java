package iommufd.core.space;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.DirtySink;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Which pages of an IOVA range were written, as a bitmap: bit n of byte n/8 is page n of the range. Bits are only ever set
 * by {@link #dirty}; the memory may have any alignment. Not thread-safe.
 */
public final class DirtyBitmap implements DirtySink {
    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final long iovaStart;
    private final long lastIova;
    private final int pageLg2;
    private final long pages;
    private final MemorySegment bits;

    /**
     * A view of a caller's bitmap.
     *
     * @param iovaStart first address of the range
     * @param lengthBytes size of the range
     * @param pageSizeBytes what one bit stands for; a power of two
     * @param bits at least one bit per page; never read or written beyond
     * @throws IommufdException {@link Errno#EINVAL} if {@code bits} is too short or another argument makes no sense
     */
    public DirtyBitmap(long iovaStart, long lengthBytes, long pageSizeBytes, MemorySegment bits) {
        long neededBytes = bytesFor(lengthBytes, pageSizeBytes);
        if (bits.byteSize() < neededBytes) {
            throw new IommufdException(Errno.EINVAL, "the bitmap has %d bytes, 0x%x bytes in pages of 0x%x need %d"
                    .formatted(bits.byteSize(), lengthBytes, pageSizeBytes, neededBytes));
        }
        this.iovaStart = iovaStart;
        this.lastIova = IovaBounds.lastOf(iovaStart, lengthBytes);
        this.pageLg2 = Long.numberOfTrailingZeros(pageSizeBytes);
        this.pages = (lengthBytes - 1 >>> pageLg2) + 1;
        this.bits = bits;
    }

    /**
     * Bytes a bitmap needs.
     *
     * @throws IommufdException {@link Errno#EINVAL} unless the length is not 0 and the page size is a power of two
     */
    public static long bytesFor(long lengthBytes, long pageSizeBytes) {
        if (lengthBytes == 0 || Long.bitCount(pageSizeBytes) != 1) {
            throw new IommufdException(Errno.EINVAL, "no bitmap shows 0x%x bytes in pages of 0x%x: the length must not be 0 and a page a power of two"
                    .formatted(lengthBytes, pageSizeBytes));
        }
        return (lengthBytes - 1 >>> Long.numberOfTrailingZeros(pageSizeBytes) >>> 3) + 1;
    }

    /** Sets the bits of all pages the range touches; parts outside the bitmap's range are ignored. */
    @Override
    public void dirty(long iova, long lengthBytes) {
        if (lengthBytes != 0) {
            long wrapped = iova + (lengthBytes - 1);
            long last = Long.compareUnsigned(wrapped, iova) < 0 ? -1L : wrapped;
            if (Long.compareUnsigned(iova, lastIova) <= 0 && Long.compareUnsigned(last, iovaStart) >= 0) {
                set(pageOf(iova), pageOf(last) + 1, true);
            }
        }
    }

    /**
     * Reports runs of set bits inside {@code [iova, lastIova]}, in ascending order.
     *
     * @param clear whether to forget what is reported
     */
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        if (Long.compareUnsigned(iova, this.lastIova) > 0 || Long.compareUnsigned(lastIova, iovaStart) < 0) {
            return;
        }
        long end = pageOf(lastIova) + 1;
        for (long from = next(pageOf(iova), end, true); from < end; ) {
            long to = next(from, end, false);
            if (clear) {
                set(from, to, false);
            }
            sink.dirty(iovaStart + (from << pageLg2), to - from << pageLg2);
            from = next(to, end, true);
        }
    }

    /** The page of an address, or the nearest one of the range. */
    private long pageOf(long iova) {
        if (Long.compareUnsigned(iova, iovaStart) < 0) {
            return 0;
        }
        return Long.compareUnsigned(iova, lastIova) > 0 ? pages - 1 : iova - iovaStart >>> pageLg2;
    }

    private void set(long from, long end, boolean value) {
        long firstByte = from >>> 3;
        long lastByte = end - 1 >>> 3;
        int headMask = 0xff << (int) (from & 7);
        int tailMask = 0xff >>> 7 - (int) (end - 1 & 7);
        if (firstByte == lastByte) {
            change(firstByte, headMask & tailMask, value);
            return;
        }
        change(firstByte, headMask, value);
        if (firstByte + 1 < lastByte) {
            bits.asSlice(firstByte + 1, lastByte - firstByte - 1).fill((byte) (value ? 0xff : 0));
        }
        change(lastByte, tailMask, value);
    }

    private void change(long at, int mask, boolean value) {
        byte old = bits.get(JAVA_BYTE, at);
        bits.set(JAVA_BYTE, at, (byte) (value ? old | mask : old & ~mask));
    }

    /** The first page of {@code [from, end)} whose bit is {@code value}, or {@code end}. */
    private long next(long from, long end, boolean value) {
        long page = from;
        long flip = value ? 0 : -1L;
        while (page < end) {
            boolean wholeWord = (page >>> 3) + Long.BYTES <= bits.byteSize();
            long word = wholeWord ? bits.get(WORD, page >>> 3) : bits.get(JAVA_BYTE, page >>> 3) & 0xffL;
            int skipped = (int) (page & 7);
            int valid = (wholeWord ? Long.SIZE : Byte.SIZE) - skipped;
            int distance = Long.numberOfTrailingZeros((word ^ flip) >>> skipped);
            if (distance < valid) {
                return Math.min(page + distance, end);
            }
            page += valid;
        }
        return end;
    }
}
