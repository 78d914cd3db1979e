package devnode.fuse;

import devnode.fuse.launch.Launch;
import iommufd.api.memory.FarMemory;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.NodeActivity;
import iommufd.api.node.SysfsDirectory;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.metatype.annotations.Designate;

/** The whiteboard: publishes every {@link DeviceNode} there is, as long as it is there. */
@Component(service = {ClientLauncher.class, NodeActivity.class, FarMemory.class, FusePublisher.class}, immediate = true, configurationPid = "devnode.fuse")
@Designate(ocd = FuseConfiguration.class)
public final class FusePublisher implements ClientLauncher, NodeActivity, FarMemory {
    /** As {@link DeviceNode#DRIVER} says. */
    static final String DEFAULT_DRIVER = "devnode";

    private final NodePublisher nodes;

    /** @throws IllegalArgumentException if the configuration makes no sense */
    @Activate
    public FusePublisher(FuseConfiguration configuration) {
        Optional<Path> point = Optional.of(configuration.mount_point()).filter(text -> !text.isBlank()).map(Path::of);
        nodes = new NodePublisher(point, new PermissionRules(configuration.permissions()),
                TimeUnit.MICROSECONDS.toNanos(configuration.spin_micros()));
    }

    /** A node is there. @param properties of its service */
    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC, target = "(" + DeviceNode.PATH + "=*)")
    public void addNode(DeviceNode node, Map<String, Object> properties) {
        nodes.add((String) properties.get(DeviceNode.PATH), node, requests(properties.get(DeviceNode.DESCRIPTOR_REQUESTS)),
                (String) properties.getOrDefault(DeviceNode.DRIVER, DEFAULT_DRIVER));
    }

    /** It goes. */
    public void removeNode(DeviceNode node) {
        nodes.remove(node);
    }

    /** A directory of sysfs is there. @param properties of its service */
    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC, target = "(" + SysfsDirectory.PATH + "=*)")
    public void addDirectory(SysfsDirectory directory, Map<String, Object> properties) {
        nodes.add((String) properties.get(SysfsDirectory.PATH), directory);
    }

    /** It goes. */
    public void removeDirectory(SysfsDirectory directory) {
        nodes.remove(directory);
    }

    NodePublisher nodes() {
        return nodes;
    }

    @Deactivate
    void deactivate() {
        nodes.close();
    }

    @Override
    public int run(List<String> command, boolean characterDevices) throws InterruptedException {
        Launch.checkRequirements();
        return new Launch(nodes.server(), nodes.descriptorRequests(), characterDevices).run(command);
    }

    @Override
    public List<NodeCounts> counts() {
        return nodes.counts();
    }

    @Override
    public Tracing trace(Consumer<String> listener) {
        return nodes.trace().add(listener);
    }

    @Override
    public boolean read(long physicalAddress, MemorySegment target) {
        return nodes.pins().far().read(physicalAddress, target);
    }

    @Override
    public boolean write(long physicalAddress, MemorySegment source) {
        return nodes.pins().far().write(physicalAddress, source);
    }

    /** Components can write such a property in several types. */
    private static List<Integer> requests(Object property) {
        return switch (property) {
            case null -> List.of();
            case int[] numbers -> Arrays.stream(numbers).boxed().toList();
            case Integer[] numbers -> List.of(numbers);
            case Integer number -> List.of(number);
            default -> throw new IllegalArgumentException("property " + DeviceNode.DESCRIPTOR_REQUESTS + " is an int[], not " + property.getClass());
        };
    }
}
