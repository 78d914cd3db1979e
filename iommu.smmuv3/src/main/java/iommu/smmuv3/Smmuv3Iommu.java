package iommu.smmuv3;

import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.driver.SmmuDriver;
import iommu.smmuv3.unit.SmmuFeatures;
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
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The SMMUv3 as a service. Works without configuration. */
@Component(service = IommuHardware.class, configurationPid = Smmuv3Iommu.PID, configurationPolicy = ConfigurationPolicy.OPTIONAL,
        property = IommuHardware.VENDOR + "=" + SmmuDriver.SMMUV3)
@Designate(ocd = Smmuv3Iommu.Configuration.class)
public final class Smmuv3Iommu implements IommuHardware {
    /** Configuration of this component. */
    public static final String PID = "iommu.smmuv3";

    private static final Logger LOG = LoggerFactory.getLogger(Smmuv3Iommu.class);

    /** What an operator chooses. */
    @ObjectClassDefinition(name = "Arm SMMUv3", description = "An SMMUv3 in front of devices")
    public @interface Configuration {
        /** Service property {@link IommuHardware#NAME}. */
        @AttributeDefinition(name = "Name", description = "Unique in the runtime")
        String iommu_name() default "smmu0";

        /** Service ranking. */
        @AttributeDefinition(name = "Ranking", description = "The engine takes the IOMMU with the highest ranking")
        int service_ranking() default 0;

        /** Smallest page in KiB. */
        @AttributeDefinition(name = "Granule", description = "Smallest page in KiB",
                options = {@Option(label = "4 KiB", value = "4"), @Option(label = "16 KiB", value = "16"),
                    @Option(label = "64 KiB", value = "64")})
        int granule_kib() default 4;

        /** Stage of plain page tables. */
        @AttributeDefinition(name = "Stage", description = "Stage of plain page tables; with second stages there are no PASIDs",
                options = {@Option(label = "first", value = "1"), @Option(label = "second", value = "2")})
        int stage() default 1;

        /** Where interrupt messages go. */
        @AttributeDefinition(name = "Message window",
                description = "First IOVA of the MiB that is kept free for interrupt messages; -1 is where machines of the host's architecture have no memory")
        long message_window() default -1;

        /** Width of StreamIDs. */
        @AttributeDefinition(name = "StreamID bits",
                description = "16 for one PCI segment, and one more for each doubling of segments")
        int streamid_bits() default 20;

        /** Whether faulting requests wait. */
        @AttributeDefinition(name = "Stalls",
                description = "Faulting requests wait until user space answers, if it listens to the fault queue of their table")
        boolean stalls() default false;
    }

    private final Smmuv3Backend backend;

    /** Sets the hardware up. */
    @Activate
    public Smmuv3Iommu(@Reference PhysicalMemory memory, Configuration configuration) {
        int granuleLg2 = Long.SIZE - 1 - Long.numberOfLeadingZeros(configuration.granule_kib() * 1024L);
        SmmuFeatures features = SmmuFeatures.host(configuration.streamid_bits(), configuration.stalls());
        backend = new Smmuv3Backend(configuration.iommu_name(), features,
                new DriverOptions(granuleLg2, configuration.stage() == 2, messageWindow(configuration.message_window())), memory.tables());
        LOG.debug("{} serves", backend.name());
    }

    /** Guests are mostly of the host's architecture, and have memory where others have none. */
    private static long messageWindow(long configured) {
        if (configured != -1) {
            return configured;
        }
        return System.getProperty("os.arch").equals("amd64") ? DriverOptions.X86_MESSAGE_WINDOW : DriverOptions.ARM_MESSAGE_WINDOW;
    }

    @Deactivate
    void deactivate() {
        backend.close();
        LOG.debug("{} is off", backend.name());
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
