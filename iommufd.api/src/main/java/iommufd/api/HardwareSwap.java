package iommufd.api;

import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Exchanges the IOMMU hardware under running devices: an OSGi service.
 *
 * <p>Devices keep their ports and contexts their objects. While a device moves its DMA waits; it never sees the exchange, and
 * no byte and no dirty page is lost.
 */
@ProviderType
public interface HardwareSwap {
    /**
     * Moves every endpoint from one deployed IOMMU to another.
     *
     * @param fromName {@code iommu.name} of the hardware that serves them now
     * @param toName {@code iommu.name} of the successor; new endpoints go there too from now on
     * @return what moved and how long DMA waited
     * @throws IommufdException {@link Errno#ENODEV} for an unknown name; {@link Errno#EINVAL} if both are the same;
     *         {@link Errno#EBUSY} if nested tables or vIOMMUs of another vendor stand in the way; otherwise the failure of the
     *         successor. Nothing has changed then: {@code fromName} goes on serving.
     */
    SwapReport swap(String fromName, String toName);

    /** The deployed IOMMUs, the preferred one first. */
    List<HardwareState> hardware();

    /**
     * What a swap did.
     *
     * @param from name of the former hardware
     * @param to name of the successor
     * @param endpoints endpoints moved
     * @param domains page tables moved
     * @param mappedBytes bytes those page tables map, together
     * @param prefillNanos time to build the successor's tables while the former hardware still served
     * @param pauseNanos time from the first gate closed to the last gate opened
     */
    record SwapReport(String from, String to, int endpoints, int domains, long mappedBytes, long prefillNanos, long pauseNanos) {}

    /**
     * One deployed IOMMU.
     *
     * @param name {@code iommu.name}
     * @param vendor {@code iommu.vendor}
     * @param state what it does
     * @param endpoints endpoints it serves
     * @param domains page tables it holds
     */
    record HardwareState(String name, String vendor, State state, int endpoints, int domains) {
        /** What deployed hardware does. */
        public enum State {
            /** It serves endpoints, or will serve the next one plugged in. */
            SERVING,
            /** It waits. */
            STANDBY,
            /** It threw, hung or answered nonsense, and serves nothing any more. */
            FAILED
        }
    }
}
