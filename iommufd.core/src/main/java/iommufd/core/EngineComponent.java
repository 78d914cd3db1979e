package iommufd.core;

import iommufd.api.dma.DmaFaultListener;
import iommufd.api.hardware.IommuHardware;
import java.time.Duration;
import java.util.Map;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.service.metatype.annotations.Designate;

/**
 * Keeps one {@link Engine} supplied with the hardware and listeners that are deployed. SCR binds a replacement before it
 * unbinds what it replaces, and calls unbind while the old bundle still works: that is when endpoints move. Immediate, so that
 * no unget of a service ends the engine.
 */
@Component(service = EngineComponent.class, immediate = true, configurationPid = "iommufd.core")
@Designate(ocd = EngineConfiguration.class)
public final class EngineComponent {
    private static final String SERVICE_RANKING = "service.ranking";   // OSGi core, 5.2.5

    private final Engine engine;

    /** By SCR. */
    @Activate
    public EngineComponent(EngineConfiguration configuration) {
        engine = new Engine(options(configuration));
    }

    /** The one engine of this runtime. */
    public Engine engine() {
        return engine;
    }

    /** Keeps the engine running: SCR itself rebinds in place when {@code hardware.target} changes. */
    @Modified
    void modified(EngineConfiguration configuration) {
        engine.configure(options(configuration));
    }

    private static EngineOptions options(EngineConfiguration configuration) {
        return new EngineOptions(Duration.ofMillis(configuration.gate_millis()), Duration.ofMillis(configuration.call_millis()),
                configuration.dirty_pages());
    }

    @Reference(name = "hardware", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void bindHardware(IommuHardware hardware, Map<String, Object> properties) {
        engine.add(hardware, ranking(properties));
    }

    void updatedHardware(IommuHardware hardware, Map<String, Object> properties) {
        engine.rank(hardware, ranking(properties));
    }

    void unbindHardware(IommuHardware hardware) {
        engine.remove(hardware);
    }

    private static int ranking(Map<String, Object> properties) {
        return properties.get(SERVICE_RANKING) instanceof Integer ranking ? ranking : 0;
    }

    @Reference(name = "faultListener", cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void bindFaultListener(DmaFaultListener listener) {
        engine.add(listener);
    }

    void unbindFaultListener(DmaFaultListener listener) {
        engine.remove(listener);
    }

    @Deactivate
    void deactivate() {
        engine.close();
    }
}
