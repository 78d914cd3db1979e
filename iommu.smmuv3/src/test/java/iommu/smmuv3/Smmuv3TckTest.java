package iommu.smmuv3;

import iommu.smmuv3.driver.DriverOptions;
import iommu.tck.BackendUnderTest;
import iommu.tck.IommuCompatibilityKit;
import org.junit.jupiter.api.Nested;

/** The compatibility kit, for each granule and stage that behaves differently. */
class Smmuv3TckTest {
    @Nested
    class FirstStage4K extends IommuCompatibilityKit {
        @Override
        protected BackendUnderTest backend() {
            return new Smmuv3UnderTest(DriverOptions.DEFAULT);
        }
    }

    @Nested
    class FirstStage64K extends IommuCompatibilityKit {
        @Override
        protected BackendUnderTest backend() {
            return new Smmuv3UnderTest(new DriverOptions(16, false));
        }
    }

    @Nested
    class SecondStage16K extends IommuCompatibilityKit {
        @Override
        protected BackendUnderTest backend() {
            return new Smmuv3UnderTest(new DriverOptions(14, true));
        }
    }
}
