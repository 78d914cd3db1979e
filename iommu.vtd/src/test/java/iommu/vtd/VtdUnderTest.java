package iommu.vtd;

import iommu.tck.BackendUnderTest;
import iommu.tck.Capabilities;
import iommu.tck.RunningBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.time.Duration;
import java.util.Optional;

/** A VT-d backend for the compatibility kit. */
record VtdUnderTest(VtdFeatures features, int levels) implements BackendUnderTest {
    /** Frames a page table keeps for its next tables. */
    private static final long KEPT_BYTES = 8 * 4096;
    private static final Duration PAGE_REQUEST_TIME = Duration.ofSeconds(3);
    private static final long PAGE_SIZES = 1L << 12 | 1L << 21 | 1L << 30;

    @Override
    public Capabilities capabilities() {
        boolean scalable = features.scalable();
        Capabilities capabilities = new Capabilities(PAGE_SIZES, scalable ? 20 : 0, scalable, scalable, !scalable, KEPT_BYTES);
        return features.has(VtdFeature.PAGE_REQUESTS) ? capabilities.withPageRequests(PAGE_REQUEST_TIME) : capabilities;
    }

    @Override
    public RunningBackend open(PhysicalMemory memory) {
        VtdBackend backend = new VtdBackend(memory.tables(), features, new VtdDriverOptions("vtd-under-test", 0, levels, PAGE_REQUEST_TIME));
        return new RunningBackend(backend, backend::close).withFarMemory(backend.farPath()::connect);
    }

    @Override
    public Optional<RequesterId> stranger() {
        return Optional.of(RequesterId.of(1, 0, 1, 0));
    }
}
