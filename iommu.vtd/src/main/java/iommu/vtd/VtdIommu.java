package iommu.vtd;

import iommu.vtd.driver.VtdDriver;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
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

/** A VT-d unit as a component: one by default, or one per configuration. */
@Component(service = IommuHardware.class, configurationPolicy = ConfigurationPolicy.OPTIONAL,
        property = IommuHardware.VENDOR + "=" + VtdDriver.VENDOR_NAME)
@Designate(ocd = VtdConfiguration.class, factory = true)
public final class VtdIommu implements IommuHardware {
    private final VtdBackend backend;

    /** Powers the unit up. */
    @Activate
    public VtdIommu(@Reference PhysicalMemory memory, VtdConfiguration configuration) {
        backend = new VtdBackend(memory.tables(), features(configuration), new VtdDriverOptions(configuration.iommu_name(),
                configuration.segment(), configuration.levels()));
    }

    private static VtdFeatures features(VtdConfiguration configuration) {
        VtdFeatures base = switch (configuration.mode()) {
            case "legacy" -> VtdFeatures.legacy();
            case "scalable" -> VtdFeatures.scalableMode().withNested();
            default -> throw new IllegalArgumentException("mode is \"%s\", neither legacy nor scalable".formatted(configuration.mode()));
        };
        VtdFeatures features = base.withPasidBits(configuration.pasid_bits());
        if (!configuration.page_requests()) {
            return features;
        }
        return features.with(VtdFeature.DEVICE_TLB, VtdFeature.PAGE_REQUESTS, VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG);
    }

    /** The engine has given everything back; the unit aborts DMA from now on and holds no memory. */
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
