package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.IommuHwptGetDirtyBitmap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.OptionalLong;

/**
 * {@code IOMMU_HWPT_GET_DIRTY_BITMAP} ({@code io_pagetable.c}, {@code iova_bitmap.c}). As in Linux the bitmap is only touched
 * where pages are dirty, and where it cannot be written bits are lost without an error.
 */
final class DirtyRequest {
    /** Pages per part: a multiple of 64, so that each part's bits start in a byte of their own. */
    private static final long PART_PAGES = 1L << 19;

    private DirtyRequest() {}

    static void read(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuHwptGetDirtyBitmap.flags(struct);
        IoctlCall.requireKnown(flags, IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
        IoctlCall.requireZero(IommuHwptGetDirtyBitmap.reserved(struct));
        PagingHwpt hwpt = call.object(IommuHwptGetDirtyBitmap.hwptId(struct), PagingHwpt.class);
        long iova = IommuHwptGetDirtyBitmap.iova(struct);
        long last = checkedLast(hwpt, iova, IommuHwptGetDirtyBitmap.length(struct), IommuHwptGetDirtyBitmap.pageSize(struct));
        long bitBytes = Long.lowestOneBit(IommuHwptGetDirtyBitmap.pageSize(struct));
        boolean clear = flags == 0;
        OptionalLong mappedLast = call.file().client().lastContiguous(hwpt.ioas(), iova, last);
        if (mappedLast.isEmpty()) {
            requireTracking(hwpt, iova, bitBytes);
            return;
        }
        int bitLg2 = Long.numberOfTrailingZeros(bitBytes);
        byte[] bitmap = new byte[(int) Math.min(PART_PAGES / 8, (last - iova >>> bitLg2 >>> 3) + 1)];
        long address = IommuHwptGetDirtyBitmap.data(struct);
        long mappedPages = (mappedLast.getAsLong() - iova >>> bitLg2) + 1;
        for (long page = 0; Long.compareUnsigned(page, mappedPages) < 0; page += PART_PAGES) {
            long from = iova + (page << bitLg2);
            long pagesAfter = last - from >>> bitLg2;
            readPart(hwpt, from, Long.compareUnsigned(pagesAfter, PART_PAGES) < 0 ? last - from + 1 : PART_PAGES << bitLg2, bitBytes, bitmap, clear);
            merge(call.memory(), address + (page >>> 3), bitmap);
        }
    }

    private static long checkedLast(PagingHwpt hwpt, long iova, long length, long pageBytes) {
        if (length == 0) {
            throw new IommufdException(Errno.EINVAL, "the length is 0");
        }
        long last = iova + (length - 1);
        if (Long.compareUnsigned(last, iova) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(length, iova));
        }
        long alignment = hwpt.ioas().iovaRanges().alignmentBytes();
        if (pageBytes == 0 || ((iova | last + 1) & (alignment - 1 | pageBytes - 1)) != 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x..0x%x is not aligned to 0x%x and to pages of 0x%x".formatted(iova, last, alignment, pageBytes));
        }
        return last;
    }

    /** @throws IommufdException {@link Errno#EOPNOTSUPP} for a table that cannot track */
    private static void requireTracking(PagingHwpt hwpt, long iova, long pageBytes) {
        long length = Math.max(pageBytes, hwpt.ioas().iovaRanges().alignmentBytes());   // both are powers of two
        readPart(hwpt, iova, length, pageBytes, new byte[(int) (length / pageBytes + 7 >>> 3)], false);
    }

    private static void readPart(PagingHwpt hwpt, long iova, long length, long pageBytes, byte[] bitmap, boolean clear) {
        Arrays.fill(bitmap, (byte) 0);
        try {
            hwpt.readDirty(iova, length, pageBytes, MemorySegment.ofArray(bitmap), clear);
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.EINVAL) {
                throw refused;   // EINVAL: tracking is off, which Linux does not tell
            }
        }
    }

    private static void merge(ClientMemory memory, long address, byte[] bitmap) {
        for (int start = 0; start < bitmap.length; start++) {
            if (bitmap[start] != 0) {
                int end = start + 1;
                while (end < bitmap.length && bitmap[end] != 0) {
                    end++;
                }
                mergeRun(memory, address + start, MemorySegment.ofArray(bitmap).asSlice(start, end - start));
                start = end;
            }
        }
    }

    private static void mergeRun(ClientMemory memory, long address, MemorySegment dirty) {
        try {
            byte[] merged = new byte[(int) dirty.byteSize()];
            memory.read(address, MemorySegment.ofArray(merged));
            for (int i = 0; i < merged.length; i++) {
                merged[i] |= dirty.get(ValueLayout.JAVA_BYTE, i);
            }
            memory.write(address, MemorySegment.ofArray(merged));
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.EFAULT) {
                throw refused;
            }
            mergeHalves(memory, address, dirty);
        }
    }

    /** The part that can be written is. */
    private static void mergeHalves(ClientMemory memory, long address, MemorySegment dirty) {
        long half = dirty.byteSize() / 2;
        if (half > 0) {
            mergeRun(memory, address, dirty.asSlice(0, half));
            mergeRun(memory, address + half, dirty.asSlice(half));
        }
    }
}
