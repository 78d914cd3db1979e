package vdpa.adapter;

import iommufd.api.IommufdException;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaFabric;
import iommufd.api.node.DeviceNode;
import java.util.BitSet;
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
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vdpa.adapter.device.AdaptedVdpa;
import vdpa.adapter.node.VhostFile;
import vdpa.device.VdpaDevice;

/** Publishes a node for each device model. Immediate: devices are there before anybody asks. */
@Component(service = DevicePublisher.class, immediate = true)
public final class DevicePublisher {
    private static final Logger LOG = LoggerFactory.getLogger(DevicePublisher.class);

    private final BundleContext bundles;
    private final DmaFabric fabric;
    private final IommufdService engine;
    /** Guarded by {@code this}, which is not held while a node is published or withdrawn. */
    private final Map<VdpaDevice, Published> devices = new HashMap<>();
    private final BitSet numbers = new BitSet();

    private record Published(AdaptedVdpa device, ServiceRegistration<DeviceNode> node) {}

    /** By SCR. */
    @Activate
    public DevicePublisher(BundleContext bundles, @Reference DmaFabric fabric, @Reference IommufdService engine) {
        this.bundles = bundles;
        this.fabric = fabric;
        this.engine = engine;
    }

    /** A model is deployed. One that cannot be plugged in is left out. */
    @Reference(name = "device", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void bindDevice(VdpaDevice model) {
        AdaptedVdpa device;
        synchronized (this) {
            int number = numbers.nextClearBit(0);
            try {
                device = new AdaptedVdpa(model, number, fabric, engine);
            } catch (IommufdException refused) {
                LOG.error("{} cannot be plugged in: {}", model.function().address(), refused.getMessage());
                return;
            }
            numbers.set(number);
        }
        String path = "/dev/" + device.name();
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(DeviceNode.PATH, path, DeviceNode.DRIVER, "vhost-vdpa"));
        DeviceNode node = caller -> new VhostFile(device, caller);
        Published published = new Published(device, bundles.registerService(DeviceNode.class, node, properties));
        synchronized (this) {
            devices.put(model, published);
        }
        LOG.info("{} is {}", device.function().address(), path);
    }

    /** A model goes. Gone already is no error: the end of the component may have been faster. */
    void unbindDevice(VdpaDevice model) {
        Published published;
        synchronized (this) {
            published = devices.remove(model);
        }
        if (published == null) {
            return;
        }
        published.device.withdraw();
        try {
            published.node.unregister();
        } catch (IllegalStateException stopped) {
            LOG.debug("the framework was faster: {}", stopped.getMessage());
        }
        published.device.close();
        synchronized (this) {
            numbers.clear(published.device.number());
        }
    }

    @Deactivate
    void deactivate() {
        List<VdpaDevice> left;
        synchronized (this) {
            left = List.copyOf(devices.keySet());
        }
        left.forEach(this::unbindDevice);
    }
}
