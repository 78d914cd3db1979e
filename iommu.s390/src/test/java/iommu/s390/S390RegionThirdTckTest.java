package iommu.s390;

import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;

/** The compatibility kit: tables from region-third tables on, as Linux makes them, and DMA from 4 GiB on, as QEMU says. */
class S390RegionThirdTckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new S390UnderTest(3, 1L << 32);
    }
}
