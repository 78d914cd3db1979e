package iommu.smmuv3;

import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeature;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.tck.BackendUnderTest;
import iommu.tck.Capabilities;
import iommu.tck.RunningBackend;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.time.Duration;
import java.util.Optional;

/** What the kit is told. */
record Smmuv3UnderTest(DriverOptions options, SmmuFeatures features) implements BackendUnderTest {
    private static final Duration STALL_TIME = Duration.ofSeconds(10);

    Smmuv3UnderTest(DriverOptions options) {
        this(options, SmmuFeatures.DEFAULT);
    }

    @Override
    public Capabilities capabilities() {
        long pageSizes = switch (options.granuleLg2()) {
            case 12 -> 1L << 12 | 1L << 21 | 1L << 30;
            case 14 -> 1L << 14 | 1L << 25;
            default -> 1L << 16 | 1L << 29;
        };
        Capabilities capabilities = Capabilities.ofPageSizes(pageSizes)
                .withDirtyTracking().withNestParent()
                .withKeptTableBytes(8L << options.granuleLg2());
        if (features.has(SmmuFeature.STALL)) {
            capabilities = capabilities.withPageRequests(STALL_TIME);
        }
        return options.prefersStage2() ? capabilities : capabilities.withPasidBits(20).withoutWriteOnly();
    }

    /** The stream table ends before it. */
    @Override
    public Optional<RequesterId> stranger() {
        return Optional.of(new RequesterId(1 << SmmuFeatures.DEFAULT.streamIdBits()));
    }

    @Override
    public RunningBackend open(PhysicalMemory memory) {
        var backend = new Smmuv3Backend("smmu0", features, options, memory.tables());
        return new RunningBackend(backend, backend::close).withFarMemory(backend.farPath()::connect);
    }
}
