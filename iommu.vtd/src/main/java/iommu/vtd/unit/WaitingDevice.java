package iommu.vtd.unit;

import iommu.common.dma.PendingPages;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageResponse;

/**
 * A device that lets the unit translate, and asks for absent pages and waits: its ports' requests block until the answer. It has no
 * device-TLB, so there is nothing in it to be invalidated.
 */
final class WaitingDevice implements AtsPort.Device {
    private final PendingPages pages;

    /** @param pages what its ports wait for; those of one endpoint share it */
    WaitingDevice(PendingPages pages) {
        this.pages = pages;
    }

    /** What it waits for. */
    PendingPages pages() {
        return pages;
    }

    @Override
    public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
        return true;
    }

    @Override
    public void pageResponse(PageResponse response) {
        pages.answer(response.pasid(), response.groupIndex(), response.response());
    }
}
