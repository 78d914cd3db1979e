package iommufd.api.hardware;

import iommufd.api.IovaRange;

/**
 * What a page table can map.
 *
 * @param aperture IOVA it can describe
 * @param pageSizes bit n is set if entries of 2^n bytes exist
 */
public record DomainGeometry(IovaRange aperture, long pageSizes) {
    /** Size of the smallest entry. */
    public long smallestPageBytes() {
        return Long.lowestOneBit(pageSizes);
    }
}
