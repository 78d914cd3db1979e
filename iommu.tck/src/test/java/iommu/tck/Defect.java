package iommu.tck;

/** One place in which {@link ReferenceBackend} can break the contract. */
enum Defect {
    NONE
}
