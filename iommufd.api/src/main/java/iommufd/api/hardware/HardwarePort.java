package iommufd.api.hardware;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A backend's half of a {@link iommufd.api.dma.DmaPort}: translates and moves bytes. One device thread at a time calls the
 * requests; {@link #close} comes from another. Requests allocate nothing and take no lock unless they fault.
 *
 * <p>Every request first enters an epoch that unmap, invalidation and {@code close} wait for, and leaves it before it raises
 * a fault. On a closed port requests answer {@link DmaStatus#CLOSED} and move nothing.
 *
 * <p>A request of an endpoint with {@link iommufd.api.dma.EndpointDescription#pageRequests} that meets an absent page may wait for
 * user space, outside the epoch and for a bounded time; {@code close} ends the wait, and the request is
 * {@link DmaStatus#CLOSED}: its successor moves it whole, also what had moved before the page.
 */
@ConsumerType
public interface HardwarePort {
    /** See {@link iommufd.api.dma.DmaPort#read(long, MemorySegment, long, long)}. */
    DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes);

    /** See {@link iommufd.api.dma.DmaPort#write(long, MemorySegment, long, long)}. */
    DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes);

    /** See {@link iommufd.api.dma.DmaPort#read(ScatterList, MemorySegment, long)}. */
    DmaStatus read(ScatterList list, MemorySegment target, long targetOffset);

    /** See {@link iommufd.api.dma.DmaPort#write(ScatterList, MemorySegment, long)}. */
    DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset);

    /** See {@link iommufd.api.dma.DmaPort#compareAndSwap}. {@code iova} is aligned. */
    long compareAndSwap(long iova, long expected, long desired);

    /** See {@link iommufd.api.dma.DmaPort#fetchAndAdd}. {@code iova} is aligned. */
    long fetchAndAdd(long iova, long addend);

    /** See {@link iommufd.api.dma.DmaPort#swap}. {@code iova} is aligned. */
    long swap(long iova, long desired);

    /** How the latest request ended. */
    DmaStatus status();

    /** The latest fault of this port. */
    Optional<DmaFault> lastFault();

    /**
     * Closes the port and waits until no request is inside.
     *
     * @return false if a request was still inside after {@code timeoutNanos}
     */
    boolean close(long timeoutNanos);
}
