package iommu.vtd;

import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;
import iommu.vtd.unit.VtdFeatures;

/** The compatibility kit, scalable mode: first stage, and second stage where dirty pages are tracked. */
class VtdTckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new VtdUnderTest(VtdFeatures.scalableMode(), 4);
    }
}
