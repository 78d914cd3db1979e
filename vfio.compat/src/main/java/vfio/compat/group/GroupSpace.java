package vfio.compat.group;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;

/** What translates for a group. Under the group file's lock. */
sealed interface GroupSpace permits ContainerSpace, IommufdSpace {
    /** Opens a device. @throws IommufdException what the container or the device says */
    OpenNode open(String name);

    /** The client takes the group out. @throws IommufdException {@link Errno#EBUSY} while it may not; it is in then */
    void leave();

    /** No device of the group is open any more. */
    void lastDeviceClosed();

    /** The group's file is gone, and no device is open. Never fails. */
    void end();
}
