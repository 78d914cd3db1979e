package iommu.smmuv3.driver;

import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;

/** The bus in front of the unit: where devices are connected. */
@FunctionalInterface
public interface DmaSource {
    /** A connection for requests of {@code requesterId}. @param pasid theirs, or {@link iommufd.api.dma.Pasid#NONE} */
    HardwarePort openPort(RequesterId requesterId, int pasid);
}
