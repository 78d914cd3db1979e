package iommu.s390;

import iommu.s390.driver.ZpciDriver;
import iommu.s390.driver.ZpciDriverOptions;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.PhysicalMemory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.service.metatype.annotations.Designate;

/**
 * zPCI as a component: one per configuration, none without. It cannot do what other hardware can, such as dirty tracking; so it serves
 * where somebody asked for it, not where it happens to be deployed.
 */
@Component(service = IommuHardware.class, configurationPid = S390Iommu.PID, configurationPolicy = ConfigurationPolicy.REQUIRE,
        property = IommuHardware.VENDOR + "=" + ZpciDriver.VENDOR_NAME)
@Designate(ocd = S390Configuration.class, factory = true)
public final class S390Iommu implements IommuHardware {
    /** Factory PID of its configurations. */
    public static final String PID = "iommu.s390";

    private final S390Backend backend;

    /** Powers the unit up. */
    @Activate
    public S390Iommu(@Reference PhysicalMemory memory, S390Configuration configuration) {
        backend = new S390Backend(memory.tables(), new ZpciDriverOptions(configuration.iommu_name(), configuration.segment(),
                configuration.levels(), configuration.first_dma(), configuration.last_dma()));
    }

    /** The engine has given everything back; no function is left, and no memory is held. */
    @Deactivate
    public void stop() {
        backend.close();
    }

    /** Memory behind the window came. */
    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    public void bindFarMemory(FarMemory memory) {
        backend.farPath().connect(memory);
    }

    /** It goes; another may have come before. */
    public void unbindFarMemory(FarMemory memory) {
        backend.farPath().disconnect(memory);
    }

    @Override
    public String name() {
        return backend.name();
    }

    @Override
    public String vendor() {
        return backend.vendor();
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults) {
        return backend.probe(endpoint, faults);
    }
}
