package iommu.vtd;

import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;
import iommu.vtd.unit.VtdFeatures;

/** The compatibility kit, legacy mode: second stage only. */
class VtdLegacyTckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new VtdUnderTest(VtdFeatures.legacy(), 4);
    }
}
