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
     * recorded before. Unless the engine is configured otherwise ({@code dirty.pages}) and if the hardware can, large entries are split
     * while tracking is on, so that it is precise to the smallest page, and put together when it stops.
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

    /**
     * Splits entries larger than {@code pageBytes} by which this table shows mappings in the range, while DMA goes on: no request is
     * refused, no written page forgotten. The next hardware's table starts with large entries again. No ioctl.
     *
     * @param pageBytes a size of entries this hardware has
     * @return entries split
     * @throws IommufdException {@link Errno#EINVAL} for another size, or length 0; {@link Errno#EOVERFLOW}; {@link Errno#EOPNOTSUPP} if
     *         the hardware cannot; {@link Errno#ENOMEM}: some are split; {@link Errno#ENODEV} while no hardware serves
     */
    long split(long iova, long lengthBytes, long pageBytes);

    /**
     * Puts entries together to the largest that fit, each inside one mapping; as {@link #split}.
     *
     * @return entries made
     * @throws IommufdException as {@link #split}; {@link Errno#EINVAL} also if huge pages are forbidden
     */
    long merge(long iova, long lengthBytes);

    /** Size of the entry that shows a byte; 0 if none does. @throws IommufdException {@link Errno#EOPNOTSUPP}, {@link Errno#ENODEV} */
    long entryBytes(long iova);
}
