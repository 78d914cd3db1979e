package iommu.s390.driver;

import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;

/** The machine's slots, and the bus between them and the unit: what the driver needs to know of the unit besides its instructions. */
public interface FunctionSlots {
    /** Plugs a function in. @return its handle, disabled */
    int plug(RequesterId requester);

    /** Takes it out. */
    void unplug(RequesterId requester);

    /** A port for one queue of a device. @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE} */
    HardwarePort open(RequesterId requester, int pasid);
}
