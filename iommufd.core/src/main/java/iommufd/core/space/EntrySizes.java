package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;

/** Changes the sizes of entries by which page tables show a space. The domains lock must be held, the iova lock need not. */
final class EntrySizes {
    /** A table's call is for no more than this, so that it comes back soon. */
    private static final long PIECE_BYTES = 1L << 30;

    private EntrySizes() { }

    /** @return entries split in that domain, in the range, to {@code pageBytes} */
    static long split(Mappings mappings, PagingDomain domain, long iova, long last, long pageBytes) {
        IopteResizing resizing = resizing(domain);
        if (Long.bitCount(pageBytes) != 1 || (domain.geometry().pageSizes() & pageBytes) == 0) {
            throw new IommufdException(Errno.EINVAL, "the page table has no entries of 0x%x bytes, only the sizes in 0x%x"
                    .formatted(pageBytes, domain.geometry().pageSizes()));
        }
        long splits = 0;
        for (Area area = mappings.areas.firstOverlapping(iova, last); isWithin(area, last); area = area.next) {
            if (isShown(area)) {
                long end = IovaBounds.minUnsigned(area.lastIova, last);
                for (long at = maxUnsigned(area.iova, iova); ; at = (at | PIECE_BYTES - 1) + 1) {
                    long pieceLast = IovaBounds.minUnsigned(at | PIECE_BYTES - 1, end);
                    splits += resizing.split(at, pieceLast, pageBytes);
                    if (pieceLast == end) {
                        break;
                    }
                }
            }
        }
        return splits;
    }

    /**
     * Entries reach into no other area, whose unmap would cut them.
     *
     * @return entries made in that domain, in the range
     */
    static long merge(Mappings mappings, PagingDomain domain, long iova, long last) {
        IopteResizing resizing = resizing(domain);
        if (!mappings.hugePages) {
            throw new IommufdException(Errno.EINVAL, "huge pages are forbidden in this address space: no entries are put together");
        }
        long merges = 0;
        for (Area area = mappings.areas.firstOverlapping(iova, last); isWithin(area, last); area = area.next) {
            if (isShown(area)) {
                merges += resizing.merge(maxUnsigned(area.iova, iova), IovaBounds.minUnsigned(area.lastIova, last));
            }
        }
        return merges;
    }

    private static IopteResizing resizing(PagingDomain domain) {
        return domain.resizing().orElseThrow(() -> new IommufdException(Errno.EOPNOTSUPP,
                "the hardware cannot change the size of entries while DMA goes on"));
    }

    private static boolean isWithin(Area area, long last) {
        return area != null && Long.compareUnsigned(area.iova, last) <= 0;
    }

    private static boolean isShown(Area area) {
        return area.held && !area.revoked;
    }

    private static long maxUnsigned(long a, long b) {
        return Long.compareUnsigned(a, b) > 0 ? a : b;
    }
}
