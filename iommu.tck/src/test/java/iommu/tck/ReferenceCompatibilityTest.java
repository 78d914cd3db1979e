package iommu.tck;

/** The kit accepts a backend that keeps the contract. */
class ReferenceCompatibilityTest extends IommuCompatibilityKit {
    @Override
    protected BackendUnderTest backend() {
        return new ReferenceUnderTest(Defect.NONE);
    }
}
