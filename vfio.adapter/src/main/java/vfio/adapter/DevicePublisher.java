package vfio.adapter;

import iommufd.api.dma.DmaFabric;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.SysfsDirectory;
import java.util.ArrayList;
import java.util.Dictionary;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.service.metatype.annotations.Designate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.device.DeviceGroup;
import vfio.adapter.device.DeviceRegistry;
import vfio.adapter.node.DeviceFile;
import vfio.adapter.sysfs.SysfsTree;
import vfio.adapter.uapi.VfioDeviceFeature;
import vfio.device.VfioDevice;
import vfio.device.VfioGroup;

/** Publishes a node for each device model, and a service for each group. Immediate: devices are there before anybody asks. */
@Component(service = DevicePublisher.class, immediate = true, configurationPid = "vfio.adapter")
@Designate(ocd = AdapterConfiguration.class)
public final class DevicePublisher {
    private static final Logger LOG = LoggerFactory.getLogger(DevicePublisher.class);

    private final BundleContext bundles;
    private final DeviceRegistry registry;
    private final SysfsTree sysfs = new SysfsTree();
    private final Map<AdaptedDevice, ServiceRegistration<DeviceNode>> nodes = new HashMap<>();
    private final Map<DeviceGroup, ServiceRegistration<VfioGroup>> groups = new HashMap<>();
    private final List<ServiceRegistration<SysfsDirectory>> directories = new ArrayList<>();

    /** By SCR. */
    @Activate
    public DevicePublisher(BundleContext bundles, @Reference DmaFabric fabric, AdapterConfiguration configuration) {
        this.bundles = bundles;
        SysfsTree.paths().forEach(this::publish);
        registry = new DeviceRegistry(fabric, configuration.unplug_patience_millis(), new DeviceRegistry.Publication() {
            @Override
            public void published(AdaptedDevice device) {
                publish(device);
            }

            @Override
            public void withdrawn(AdaptedDevice device) {
                withdraw(device);
            }

            @Override
            public void published(DeviceGroup group) {
                publish(group);
            }

            @Override
            public void withdrawn(DeviceGroup group) {
                withdraw(group);
            }
        });
    }

    /** Devices stay where they are. */
    @Modified
    void modified(AdapterConfiguration configuration) {
        registry.patience(configuration.unplug_patience_millis());
    }

    /** A model is deployed. */
    @Reference(name = "device", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void bindDevice(VfioDevice model) {
        registry.add(model);
    }

    /** A model goes; its client gets some time to let go of it. */
    void unbindDevice(VfioDevice model) {
        registry.remove(model);
    }

    @Deactivate
    void deactivate() {
        registry.close();
        directories.forEach(DevicePublisher::unregister);
    }

    private void publish(AdaptedDevice device) {
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(DeviceNode.PATH, device.nodePath(), DeviceNode.DRIVER, "vfio-cdev",
                DeviceNode.DESCRIPTOR_REQUESTS, new int[] {VfioDeviceFeature.VFIO_DEVICE_FEATURE}));
        DeviceNode node = caller -> {
            device.requireThere();
            return DeviceFile.ofNode(device);
        };
        synchronized (nodes) {
            nodes.put(device, bundles.registerService(DeviceNode.class, node, properties));
        }
        sysfs.add(device);
        LOG.info("{} is {}", device.name(), device.nodePath());
    }

    /** A directory of sysfs. */
    private void publish(String path) {
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(SysfsDirectory.PATH, path));
        directories.add(bundles.registerService(SysfsDirectory.class, () -> sysfs.entries(path), properties));
    }

    private void withdraw(AdaptedDevice device) {
        sysfs.remove(device);
        ServiceRegistration<DeviceNode> registration;
        synchronized (nodes) {
            registration = nodes.remove(device);
        }
        unregister(registration);
    }

    private void publish(DeviceGroup group) {
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(VfioGroup.NUMBER, group.number()));
        synchronized (groups) {
            groups.put(group, bundles.registerService(VfioGroup.class, group, properties));
        }
    }

    private void withdraw(DeviceGroup group) {
        ServiceRegistration<VfioGroup> registration;
        synchronized (groups) {
            registration = groups.remove(group);
        }
        unregister(registration);
    }

    private static void unregister(ServiceRegistration<?> registration) {
        try {
            registration.unregister();
        } catch (IllegalStateException stopped) {
            LOG.debug("the framework was faster: {}", stopped.getMessage());
        }
    }
}
