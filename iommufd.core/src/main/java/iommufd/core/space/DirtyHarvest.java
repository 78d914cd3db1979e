package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.PagingDomain;
import java.lang.foreign.MemorySegment;

/** Reads which pages of a range a page table saw written. As in Linux it goes as far as the mappings do without a hole. */
final class DirtyHarvest {
    private DirtyHarvest() { }

    /** As {@link IovaSpace#readDirty}. */
    static void read(Mappings mappings, PagingDomain domain, long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap,
            boolean clear) {
        DirtyTracking tracking = domain.dirtyTracking().orElseThrow(() -> new IommufdException(Errno.EOPNOTSUPP,
                "the page table was not made for dirty tracking; allocate it with that option"));
        if (lengthBytes == 0) {
            throw new IommufdException(Errno.EINVAL, "the length is 0");
        }
        long last = IovaBounds.lastOf(iova, lengthBytes);
        if (Long.bitCount(pageSizeBytes) != 1 || ((iova | last + 1) & pageSizeBytes - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "the page size 0x%x is no power of two, or 0x%x..0x%x is not made of such pages"
                    .formatted(pageSizeBytes, iova, last));
        }
        DirtyBitmap written = new DirtyBitmap(iova, lengthBytes, pageSizeBytes, bitmap);
        mappings.iovaLock.readLock().lock();
        try {
            if (((iova | last + 1) & mappings.alignmentBytes - 1) != 0) {
                throw new IommufdException(Errno.EINVAL, "0x%x..0x%x is not aligned to 0x%x".formatted(iova, last, mappings.alignmentBytes));
            }
            mappings.lastContiguous(iova, last).ifPresent(mappedLast -> tracking.read(iova, mappedLast, clear, written));
        } finally {
            mappings.iovaLock.readLock().unlock();
        }
    }
}
