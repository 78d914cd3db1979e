package iommu.tck;

/** The kit as {@link DefectsAreNoticedTest} runs it; not found by test runners on their own. */
class DefectiveKit extends IommuCompatibilityKit {
    /** What is wrong with the backend of the next run. */
    static volatile Defect defect = Defect.NONE;

    @Override
    protected BackendUnderTest backend() {
        return new ReferenceUnderTest(defect);
    }
}
