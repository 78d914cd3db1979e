package iommufd.api;

import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/** A page table of IOMMU hardware that follows an {@link Ioas}. */
@ProviderType
public non-sealed interface PagingHwpt extends Hwpt {
    /** The address space it shows. */
    Ioas ioas();

    /** Whether an attach to the IOAS made it; it then disappears with its last detach. */
    boolean automatic();

    /**
     * Starts or stops recording which pages DMA writes ({@code IOMMU_HWPT_SET_DIRTY_TRACKING}); starting forgets what was
     * recorded before.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if it was not allocated for dirty tracking
     */
    void setDirtyTracking(boolean enabled);

    /**
     * Sets a bit for each page of the range that DMA wrote since the last clearing read
     * ({@code IOMMU_HWPT_GET_DIRTY_BITMAP}). Bits of clean pages stay as they are.
     *
     * @param pageSizeBytes what one bit stands for; a power of two, at least the smallest IOPTE
     * @param bitmap bit n of byte n/8 stands for page n of the range; any alignment, at least one bit per page
     * @param clear whether to forget what was read ({@code NO_CLEAR} if not)
     * @throws IommufdException {@link Errno#EINVAL} if tracking is off, or range or page size are misaligned;
     *         {@link Errno#EOPNOTSUPP} if it was not allocated for dirty tracking
     */
    void readDirty(long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap, boolean clear);
}
