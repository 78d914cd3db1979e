package vfio.device;

import iommufd.api.Access;
import java.util.Optional;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A device in the hands of a client, from the first open to the last close.
 *
 * <p>Accesses may come from several threads at once. While {@link #reset()} or {@link #close()} runs there are none. Values are
 * little-endian numbers, bits above the width are 0. An exception is {@code EIO} for the client and logged, an
 * {@link iommufd.api.IommufdException} is its errno.
 */
@ConsumerType
public interface RunningDevice extends AutoCloseable {
    /**
     * A client reads a register. Never called for areas of shared memory.
     *
     * @param bar 0 to 5
     * @param offset below the BAR's size, a multiple of {@code widthBytes}
     * @param widthBytes 1, 2, 4 or 8; longer accesses come in parts, in ascending order
     */
    long read(int bar, long offset, int widthBytes);

    /** A client writes a register. Arguments as of {@link #read}. */
    void write(int bar, long offset, int widthBytes, long value);

    /**
     * A client wrote to shared memory by a call rather than through its mapping; the bytes are there already. A poller that
     * sleeps can be woken here. What clients write through mappings is not told.
     */
    default void sharedWritten(int bar, long offset, int lengthBytes) {}

    /**
     * The command register now allows the device to send requests, or forbids it. While it is forbidden, ports answer
     * {@link iommufd.api.dma.DmaStatus#ABORTED} and messages are not sent, whether the device minds this or not.
     */
    default void busMasterChanged(boolean enabled) {}

    /**
     * Function level reset: registers, queues and shared memory are as after {@link VfioDevice#start}, no DMA is under way on
     * return. Interrupt lines are low. The configuration space is none of its business.
     */
    void reset();

    /**
     * Of devices whose DMA goes through {@link DmaKind#ACCESS}: memory goes away. Unpin all that overlaps the range before
     * returning. Only called if the device declared {@link PciFunction#pinsMemory()}.
     *
     * @see Access#pin
     */
    default void unmapping(long iova, long lengthBytes) {}

    /** How its state moves to another host; empty if it does not. Asked once. */
    default Optional<Migration> migration() {
        return Optional.empty();
    }

    /** The client is gone. Stops all activity, no DMA is under way on return; gives back ports. Never fails. */
    @Override
    void close();
}
