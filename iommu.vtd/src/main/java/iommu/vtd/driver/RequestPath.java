package iommu.vtd.driver;

import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;

/** The bus between devices and the unit: where the driver gets ports from, without knowing the unit. */
@FunctionalInterface
public interface RequestPath {
    /** A port for one queue of a device. @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE} */
    HardwarePort open(RequesterId requester, int pasid);
}
