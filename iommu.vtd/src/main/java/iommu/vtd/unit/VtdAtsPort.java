package iommu.vtd.unit;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import java.lang.foreign.MemorySegment;

/** Where the requests of a device with a device-TLB arrive. */
public final class VtdAtsPort extends VtdPort implements AtsPort {
    VtdAtsPort(VtdUnit unit, RequesterId requester, int pasid) {
        super(unit, requester, pasid);
    }

    /** The unit has no device-TLB support: it answers what is no request to it. */
    @Override
    public Translation requestTranslation(long iova, DmaAccess access) {
        return new Translation(Translation.Status.UNSUPPORTED, 0, 0, false, false, false);
    }

    @Override
    public DmaStatus readTranslated(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        return DmaStatus.ABORTED;
    }

    @Override
    public DmaStatus writeTranslated(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        return DmaStatus.ABORTED;
    }

    @Override
    public boolean requestPage(PageRequest request) {
        return false;
    }
}
