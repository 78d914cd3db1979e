package iommu.tck;

import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.util.Optional;

/** The reference backend, whole or with a defect, as the kit sees it. */
record ReferenceUnderTest(Defect defect) implements BackendUnderTest {
    @Override
    public Capabilities capabilities() {
        return Capabilities.ofPageSizes(ReferenceDomain.PAGE_SIZES).withPasidBits(ReferenceBackend.PASID_BITS)
                .withDirtyTracking().withNestParent().withPageRequests(ReferencePageRequests.TIMEOUT);
    }

    @Override
    public RunningBackend open(PhysicalMemory memory) {
        ReferenceBackend backend = new ReferenceBackend(memory.tables(), defect);
        return new RunningBackend(backend, () -> { }).withFarMemory(memoryBehind -> backend.far = Optional.of(memoryBehind));
    }

    @Override
    public Optional<RequesterId> stranger() {
        return Optional.of(RequesterId.of(1, 0, 1, 0));
    }
}
