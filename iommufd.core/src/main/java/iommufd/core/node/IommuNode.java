package iommufd.core.node;

import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IoctlExtension;
import iommufd.core.Engine;
import iommufd.core.EngineComponent;
import iommufd.core.object.ClientContext;
import java.util.Map;
import java.util.Optional;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/**
 * {@code /dev/iommu}. One context per open file, as in Linux. New files come from {@code IOMMU_FAULT_QUEUE_ALLOC} (0x3B8E),
 * {@code IOMMU_VEVENTQ_ALLOC} (0x3B93) and extensions' {@code IOMMU_TEST_CMD} (0x3BA0).
 */
@Component(service = DeviceNode.class, property = {DeviceNode.PATH + "=/dev/iommu", DeviceNode.DESCRIPTOR_REQUESTS + ":Integer=15246",
        DeviceNode.DESCRIPTOR_REQUESTS + ":Integer=15251", DeviceNode.DESCRIPTOR_REQUESTS + ":Integer=15264"})
public final class IommuNode implements DeviceNode {
    private final Engine engine;
    private final Extensions extensions = new Extensions();
    private final PinLedger ledger = new PinLedger();

    /** By SCR. */
    @Activate
    public IommuNode(@Reference EngineComponent engine) {
        this(engine.engine());
    }

    /** Without OSGi. */
    public IommuNode(Engine engine) {
        this.engine = engine;
    }

    /** An extension is deployed. @param properties of its service */
    @Reference(name = "extension", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    public void add(IoctlExtension extension, Map<String, Object> properties) {
        extensions.add(extension, properties);
    }

    /** An extension goes; its part of every open file ends. */
    public void remove(IoctlExtension extension) {
        extensions.remove(extension);
    }

    @Override
    public OpenNode open(Caller caller) {
        Optional<PinLedger> counts = extensions.countPins() ? Optional.of(ledger) : Optional.empty();
        OpenIommu file = new OpenIommu(new ClientContext(engine.open(caller.owner())), extensions, counts);
        extensions.remember(file);
        return file;
    }
}
