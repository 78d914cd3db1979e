package iommufd.api.hardware;

/**
 * What a page table must be able to do.
 *
 * @param nestParent carry nested domains (a second stage where that makes a difference)
 * @param dirtyTracking record which pages DMA wrote
 * @param pasid be attached to PASIDs
 */
public record PagingOptions(boolean nestParent, boolean dirtyTracking, boolean pasid) {
    /** Nothing special. */
    public static final PagingOptions PLAIN = new PagingOptions(false, false, false);
}
