package vfio.adapter.device;

import iommufd.api.Access;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.util.Optional;
import vfio.device.RunningDevice;

/** A device that belongs to an iommufd context. Guarded by its reset set's lock. */
public sealed interface Binding permits EndpointBinding, AccessBinding {
    /** Binds a device. @throws IommufdException as {@link IommufdContext#bind} */
    static Binding bind(AdaptedDevice device, IommufdContext context) {
        return device.endpoint().isPresent() ? new EndpointBinding(context, device.endpoint().get()) : new AccessBinding(context, device.function());
    }

    /** Whose it is. */
    IommufdContext context();

    /** Its number there. */
    int id();

    /**
     * Attaches it, or moves it to another target.
     *
     * @param targetId number of an address space or page table
     * @return number of what it is attached to
     * @throws IommufdException {@link Errno#ENOENT} for an unknown number; else as {@link iommufd.api.BoundDevice#attach}
     */
    int attach(int targetId);

    /** Detaches it. Not attached is no error. */
    void detach();

    /** Whether requests with PASIDs can be attached at all. */
    boolean takesPasids();

    /** As {@link #attach(int)}, for requests with a PASID. */
    int attach(Pasid pasid, int targetId);

    /** As {@link #detach()}, for requests with a PASID. */
    void detach(Pasid pasid);

    /** The device is about to be reset: see {@link DmaEndpoint#pausePageRequests}. Without endpoint nothing waits. */
    default DmaEndpoint.PageRequestPause pausePageRequests() {
        return () -> { };
    }

    /** A port for the device. */
    DmaPort openPort();

    /** A port for the device's requests with a PASID. */
    DmaPort openPort(Pasid pasid);

    /** The physical device. */
    Optional<BoundDevice> bound();

    /** What the device pins memory by, if it has no endpoint. */
    Optional<Access> access();

    /** Whom to ask to unpin; nobody while no device runs. */
    void running(Optional<RunningDevice> device);

    /** Detaches and unbinds it. Never fails. */
    void unbind();
}
