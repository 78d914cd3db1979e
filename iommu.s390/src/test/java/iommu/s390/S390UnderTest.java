package iommu.s390;

import iommu.s390.driver.ZpciDriverOptions;
import iommu.tck.BackendUnderTest;
import iommu.tck.Capabilities;
import iommu.tck.RunningBackend;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.util.Optional;

/** A zPCI backend for the compatibility kit. */
record S390UnderTest(int levels, long firstDma) implements BackendUnderTest {
    /** Frames a page table keeps for its next tables. */
    private static final long KEPT_BYTES = 8 * 4096;
    private static final long PAGE_SIZES = 1L << 12 | 1L << 20;

    @Override
    public Capabilities capabilities() {
        return Capabilities.ofPageSizes(PAGE_SIZES).withNestParent().withoutWriteOnly().withKeptTableBytes(KEPT_BYTES);
    }

    @Override
    public RunningBackend open(PhysicalMemory memory) {
        S390Backend backend = new S390Backend(memory.tables(),
                new ZpciDriverOptions("zpci-under-test", 0, levels, firstDma, (1L << (levels == 3 ? 42 : 53)) - 1));
        return new RunningBackend(backend, backend::close).withFarMemory(backend.farPath()::connect);
    }

    @Override
    public Optional<RequesterId> stranger() {
        return Optional.of(RequesterId.of(1, 0, 1, 0));
    }
}
