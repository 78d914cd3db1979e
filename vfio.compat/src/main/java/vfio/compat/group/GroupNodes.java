package vfio.compat.group;

import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_GET_DEVICE_FD;

import iommufd.api.node.DeviceNode;
import java.util.Dictionary;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import vfio.device.VfioGroup;

/** A node for each group there is. */
@Component(service = GroupNodes.class, immediate = true)
public final class GroupNodes {
    /** {@code VFIO_DEVICE_FEATURE}, which may open files too. */
    private static final int VFIO_DEVICE_FEATURE = 0x3B75;
    private static final String DRIVER_NAME = "vfio";

    private final BundleContext bundle;
    /** Guarded by itself. */
    private final Map<VfioGroup, ServiceRegistration<DeviceNode>> nodes = new HashMap<>();

    /** By SCR. */
    @Activate
    public GroupNodes(BundleContext bundle) {
        this.bundle = bundle;
    }

    /** A group has devices. */
    @Reference(name = "group", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void add(VfioGroup group) {
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(DeviceNode.PATH, "/dev/vfio/" + group.number(), DeviceNode.DRIVER, DRIVER_NAME,
                DeviceNode.DESCRIPTOR_REQUESTS, new int[] {VFIO_GROUP_GET_DEVICE_FD, VFIO_DEVICE_FEATURE}));
        ServiceRegistration<DeviceNode> node = bundle.registerService(DeviceNode.class, new GroupNode(group), properties);
        synchronized (nodes) {
            nodes.put(group, node);
        }
    }

    /** Its last device goes. */
    void remove(VfioGroup group) {
        ServiceRegistration<DeviceNode> node;
        synchronized (nodes) {
            node = nodes.remove(group);
        }
        if (node != null) {
            node.unregister();   // closes what clients have open
        }
    }

    @Deactivate
    void deactivate() {
        Map<VfioGroup, ServiceRegistration<DeviceNode>> left;
        synchronized (nodes) {
            left = new HashMap<>(nodes);
        }
        left.keySet().forEach(this::remove);
    }
}
