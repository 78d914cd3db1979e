package iommu.s390;

import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;

/** The compatibility kit: tables from region-second tables on. */
class S390TckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new S390UnderTest(4, 0);
    }
}
