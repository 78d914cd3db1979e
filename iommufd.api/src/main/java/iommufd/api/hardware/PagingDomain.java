package iommufd.api.hardware;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import java.util.Optional;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A page table the engine fills. The engine serializes changes of one domain; DMA and dirty reads go on meanwhile.
 * {@code map} and {@code unmap} allocate no Java objects once warm.
 */
@ConsumerType
public interface PagingDomain extends HardwareDomain {
    /** What can be mapped. Constant. */
    DomainGeometry geometry();

    /**
     * Maps runs one after the other from {@code iova} on, all or nothing, with the largest entries that fit. Visible to DMA
     * on return.
     *
     * @param iova multiple of the smallest page, as every run's address and length is
     * @throws IommufdException {@link Errno#EEXIST} if anything is mapped there; {@link Errno#ERANGE} outside the geometry;
     *         {@link Errno#ENOMEM}
     */
    void map(long iova, PinnedRuns runs, DmaAccess access);

    /**
     * As {@link #map}, using the smallest entries only.
     */
    void mapSmallest(long iova, PinnedRuns runs, DmaAccess access);

    /**
     * Removes every translation in the range. No DMA that uses one is in flight on return. Ranges cut no mapping that
     * {@code map} made as a whole; holes are fine. Needs no memory and never fails.
     *
     * @return bytes that were mapped
     */
    long unmap(long iova, long lastIova);

    /** Physical address of a mapped byte, or {@link #UNMAPPED}. Any thread. */
    long translate(long iova);

    /** What {@link #translate} answers for a hole. */
    long UNMAPPED = -1L;

    /** Dirty tracking, if the domain was made for it. */
    Optional<DirtyTracking> dirtyTracking();

    /** Changing the size of entries under DMA, if the hardware can. */
    default Optional<IopteResizing> resizing() {
        return Optional.empty();
    }
}
