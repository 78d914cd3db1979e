package vfio.compat.group;

import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import vfio.device.VfioGroup;

/** {@code /dev/vfio/<group>}. One file may be open at a time, and none while a device of the group is bound by its own node. */
public final class GroupNode implements DeviceNode {
    private final VfioGroup group;

    /** @param group whose node it is */
    public GroupNode(VfioGroup group) {
        this.group = group;
    }

    @Override
    public OpenNode open(Caller caller) {
        return new OpenGroup(group.claim());
    }
}
