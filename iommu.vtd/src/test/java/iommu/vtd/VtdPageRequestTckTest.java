package iommu.vtd;

import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;

/** The compatibility kit, with devices that ask for absent pages through the page request queue. */
class VtdPageRequestTckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new VtdUnderTest(VtdFeatures.scalableMode().with(VtdFeature.DEVICE_TLB, VtdFeature.PAGE_REQUESTS,
                VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG), 4);
    }
}
