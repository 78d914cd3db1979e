package vfio.device;

import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A device that clients may drive through VFIO: a whiteboard service. Thread-safe.
 *
 * <p>When the service comes, its node {@code /dev/vfio/devices/vfioN} does. When it goes while a client has it open, the client
 * gets the request interrupt and some time to let go; then the running device is closed and whatever the client does with its
 * file is {@code ENODEV}.
 */
@ConsumerType
public interface VfioDevice {
    /** What it is; always the same. */
    PciFunction function();

    /**
     * A first client takes the device: starts it in the state after a reset. There is at most one running device at a time.
     *
     * @param host valid until {@link RunningDevice#close()}
     * @throws IommufdException any errno; the client gets it
     */
    RunningDevice start(DeviceHost host);
}
