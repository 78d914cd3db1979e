package iommu.vtd.driver;

import iommu.common.dma.PendingPages;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;

/** The bus between devices and the unit: where the driver gets ports from, without knowing the unit. */
@FunctionalInterface
public interface RequestPath {
    /** A port for one queue of a device. @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE} */
    HardwarePort open(RequesterId requester, int pasid);

    /**
     * A port for a device that translates by itself.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the bus has none, which is usual
     */
    default AtsPort openAts(RequesterId requester, int pasid, AtsPort.Device device) {
        throw new IommufdException(Errno.EOPNOTSUPP, "devices behind this bus do not translate by themselves");
    }

    /**
     * A port for a device that asks for absent pages and waits, and lets the unit translate.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}
     * @param pages what it waits for: answers of the unit go there
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the bus has none, which is usual
     */
    default HardwarePort openWaiting(RequesterId requester, int pasid, PendingPages pages) {
        throw new IommufdException(Errno.EOPNOTSUPP, "devices behind this bus do not ask for pages");
    }
}
