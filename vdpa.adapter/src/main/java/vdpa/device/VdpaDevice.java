package vdpa.device;

import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A virtio device that clients may drive through vhost-vdpa: a whiteboard service. Thread-safe.
 *
 * <p>When the service comes, its node {@code /dev/vhost-vdpa-N} does. When it goes while a client has it open, the running device is
 * closed and whatever the client does with its file is {@code ENODEV}.
 */
@ConsumerType
public interface VdpaDevice {
    /** What it is; always the same. */
    VdpaFunction function();

    /**
     * A client opens the device: starts it in the state after a reset. There is at most one running device at a time.
     *
     * @param host valid until {@link RunningVdpa#close()}
     * @throws IommufdException any errno; the client gets it from open(2)
     */
    RunningVdpa start(VdpaHost host);
}
