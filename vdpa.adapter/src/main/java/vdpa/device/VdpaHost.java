package vdpa.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/**
 * What a running device has of the world. Thread-safe; valid until the device was closed. No method waits for another call to the
 * device, so threads that {@link RunningVdpa#reset()} waits for may call them.
 */
@ProviderType
public interface VdpaHost {
    /**
     * A port into the address space that a queue group has now; one for each queue or thread. Groups move to other address spaces only
     * while the driver is not ready: open ports in {@link RunningVdpa#driverReady} or {@link RunningVdpa#queueReady}, close them in
     * {@link RunningVdpa#reset}. What the client has not mapped faults. Ports that are left open are closed after the device.
     *
     * @param group below {@link VdpaFunction#groups()}, such as {@link VdpaFunction#queueGroup} for buffers and
     *        {@link VdpaFunction#descriptorGroup} for the ring itself
     * @throws IommufdException {@link Errno#EINVAL} if there is no such group
     */
    DmaPort openPort(int group);

    /** Tells the driver that buffers of a queue were used. Whether it wants to know is for the device to find out. Allocates nothing. */
    void call(int queue);

    /** Tells the driver that the configuration space or the status has changed; {@link RunningVdpa#configGeneration} has before. */
    void configChanged();

    /**
     * The device cannot go on until it is reset: a ring was malformed, or a part of it cannot be reached. Sets {@code DEVICE_NEEDS_RESET},
     * signals the queue's error eventfd and tells the driver. Does not stop anything.
     *
     * @param queue whose fault it is
     * @param reason for the log, such as "queue 1: descriptor 7 points at itself"
     */
    void needsReset(int queue, String reason);

    /**
     * The page that the client may map to kick a queue by a store, of a function that has {@link VdpaFunction#notificationPages()}. The
     * device must poll it, and may put there what a driver never writes; zero when the device starts. A driver writes the queue's number as
     * 16 bits, or with {@link VirtioFeature#NOTIFICATION_DATA} 32 bits.
     *
     * @return one page, shared with the client; valid until {@link RunningVdpa#close()} has returned
     * @throws IommufdException {@link Errno#EINVAL} if the function has none, or no such queue
     */
    MemorySegment notificationPage(int queue);
}
