package iommu.smmuv3;

import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.tck.BackendUnderTest;
import iommu.tck.Capabilities;
import iommu.tck.RunningBackend;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.util.Optional;

/** What the kit is told. */
record Smmuv3UnderTest(DriverOptions options) implements BackendUnderTest {
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
        return options.prefersStage2() ? capabilities : capabilities.withPasidBits(20).withoutWriteOnly();
    }

    /** The stream table ends before it. */
    @Override
    public Optional<RequesterId> stranger() {
        return Optional.of(new RequesterId(1 << SmmuFeatures.DEFAULT.streamIdBits()));
    }

    @Override
    public RunningBackend open(PhysicalMemory memory) {
        var backend = new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, options, memory.tables());
        return new RunningBackend(backend, backend::close).withFarMemory(backend.farPath()::connect);
    }
}
