package vfio.compat.group;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import vfio.compat.container.Container;
import vfio.device.VfioGroup;

/** A container. The group's devices are attached as long as it is in and the container has its type. */
final class ContainerSpace implements GroupSpace {
    private final Container container;
    private final VfioGroup.Claim claim;

    private ContainerSpace(Container container, VfioGroup.Claim claim) {
        this.container = container;
        this.claim = claim;
    }

    /** Puts a group in. */
    static ContainerSpace enter(Container container, VfioGroup.Claim claim) {
        container.add(claim);
        return new ContainerSpace(container, claim);
    }

    @Override
    public OpenNode open(String name) {
        if (!container.ready()) {
            throw new IommufdException(Errno.EINVAL, "the container has no type yet; VFIO_SET_IOMMU comes first");
        }
        return claim.openDevice(name);
    }

    @Override
    public void leave() {
        if (claim.openDevices() > 0) {
            throw new IommufdException(Errno.EBUSY, "devices of the group are open");
        }
        container.remove(claim);
    }

    @Override
    public void lastDeviceClosed() {
        // Attached all the same: the client has the right until it takes the group out.
    }

    @Override
    public void end() {
        container.remove(claim);
    }
}
