package iommu.smmuv3;

import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;

/** The compatibility kit, with devices whose requests stall where a page is absent. */
class Smmuv3StallTckTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new Smmuv3UnderTest(DriverOptions.DEFAULT, SmmuFeatures.host(SmmuFeatures.DEFAULT.streamIdBits(), true));
    }
}
