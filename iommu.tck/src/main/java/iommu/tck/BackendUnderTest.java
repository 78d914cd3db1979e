package iommu.tck;

import iommufd.api.dma.RequesterId;
import iommufd.api.memory.PhysicalMemory;
import java.util.Optional;

/** What the author of a backend tells the kit. Stateless: several IOMMUs may be open at once. */
public interface BackendUnderTest {
    /** What this backend can do. The kit checks that it reports the same of itself. */
    Capabilities capabilities();

    /**
     * A fresh IOMMU of this kind.
     *
     * @param memory where it takes frames from, by {@link PhysicalMemory#tables()}; allocations fail on demand of the kit
     */
    RunningBackend open(PhysicalMemory memory);

    /**
     * Who the kit's endpoint {@code index} is; all are behind this IOMMU.
     *
     * @param index 0 to 15
     */
    default RequesterId requester(int index) {
        return RequesterId.of(0, index % 3, index + 1, index % 8);
    }

    /** Someone who is not behind this IOMMU; empty if everybody could be. */
    default Optional<RequesterId> stranger() {
        return Optional.empty();
    }
}
