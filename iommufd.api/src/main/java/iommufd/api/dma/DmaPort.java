package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Where one queue of a device sends its DMA: an endpoint, a PASID or none, and a private IOTLB.
 *
 * <p>Not thread-safe: one thread at a time, with a port per queue. Requests block only while the hardware behind is
 * exchanged or absent; they allocate nothing. Once {@link iommufd.api.Ioas#unmap} of a range has returned, no request reaches
 * its memory. Every IOVA is unsigned.
 */
@ProviderType
public interface DmaPort extends AutoCloseable {
    /** Reads {@code lengthBytes} at {@code iova} into {@code target} from {@code targetOffset} on. */
    DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes);

    /** Writes {@code lengthBytes} of {@code source} from {@code sourceOffset} on to {@code iova}. */
    DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes);

    /** Reads the pieces of {@code list} one after the other into {@code target}; all or {@link DmaStatus#FAULTED}. */
    DmaStatus read(ScatterList list, MemorySegment target, long targetOffset);

    /** Writes {@code source} to the pieces of {@code list} one after the other. */
    DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset);

    /**
     * Replaces the 64-bit little-endian word at {@code iova} by {@code desired} if it is {@code expected}, atomically.
     *
     * @param iova a multiple of 8, else {@link Errno#EINVAL}
     * @return the word found; 0 if {@link #status()} is not {@link DmaStatus#DONE}
     */
    long compareAndSwap(long iova, long expected, long desired);

    /** Adds to the 64-bit little-endian word at {@code iova} atomically. @return as {@link #compareAndSwap} */
    long fetchAndAdd(long iova, long addend);

    /** Replaces the 64-bit little-endian word at {@code iova} atomically. @return as {@link #compareAndSwap} */
    long swap(long iova, long desired);

    /** How the latest request on this port ended. */
    DmaStatus status();

    /** The record of the latest {@link DmaStatus#FAULTED} or {@link DmaStatus#ABORTED} request of this port. */
    Optional<DmaFault> lastFault();

    /** Gives the port back. Requests after it are {@link DmaStatus#ABORTED}. */
    @Override
    void close() throws IommufdException;
}
