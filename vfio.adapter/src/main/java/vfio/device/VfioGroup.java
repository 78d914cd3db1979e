package vfio.device;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Devices that cannot be isolated from each other: a service for each IOMMU group that has devices. Whoever publishes
 * {@code /dev/vfio/<group>} reaches the devices through it. Thread-safe.
 */
@ProviderType
public interface VfioGroup {
    /** Service property, an {@code Integer}: {@link #number()}. */
    String NUMBER = "vfio.group";

    /** The group's number. */
    int number();

    /** Names of its devices now, such as {@code 0000:00:0a.0}. */
    List<String> devices();

    /**
     * Takes the group for one open group file. Until the claim is closed its devices cannot be bound through their own nodes.
     *
     * @throws IommufdException {@link Errno#EBUSY} if it is claimed, or one of its devices is bound through its own node;
     *         {@link Errno#ENODEV} if it has no devices any more
     */
    Claim claim();

    /** A group in the hands of one group file. Thread-safe. */
    @ProviderType
    interface Claim extends AutoCloseable {
        /** The group. */
        VfioGroup group();

        /**
         * Binds every device of the group and attaches it to an address space; devices that come later too. The context must stay
         * open until {@link #detach()}.
         *
         * @throws IommufdException {@link Errno#EBUSY} if it is attached; else what binding or attaching answers. Nothing is bound
         *         then
         */
        void attach(IommufdContext context, Ioas ioas);

        /** Unbinds the devices. Not attached is no error. @throws IommufdException {@link Errno#EBUSY} while device files are open */
        void detach();

        /**
         * Opens a device, as {@code VFIO_GROUP_GET_DEVICE_FD} does. Every file of a device has the same state behind it. What is
         * returned is a {@link OpenNode} to be installed in the client; it behaves as a bound device's own node, without bind and
         * attach.
         *
         * @param name a device's name; {@code " vf_token=<uuid>"} may follow
         * @throws IommufdException {@link Errno#EINVAL} if the group is not attached; {@link Errno#ENODEV} if there is no such
         *         device; {@link Errno#EACCES}, {@link Errno#EINVAL} for a wrong token
         */
        OpenNode openDevice(String name);

        /** The physical devices that are bound by {@link #attach} now, emulated ones are not among them; empty if not attached. */
        List<BoundDevice> boundDevices();

        /** Number of device files open. */
        int openDevices();

        /**
         * Calls {@code listener} after the last device file was closed. Linux keeps a group file's container until then.
         */
        void onLastDeviceClosed(Runnable listener);

        /** The address space, if attached. */
        Optional<Ioas> attached();

        /**
         * Gives the group back. Device files still open stay usable, as in Linux, and keep the claim until the last of them is
         * closed; then it is detached, too. Idempotent.
         */
        @Override
        void close();
    }
}
