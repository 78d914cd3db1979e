package vfio.device;

/** How the DMA of a device finds memory. */
public enum DmaKind {
    /** The device has a requester id of its own: an endpoint behind an IOMMU, as a physical device. */
    ENDPOINT,
    /**
     * The device is software inside a host and uses an iommufd access ({@link iommufd.api.Access}), as Linux's mediated devices
     * do. Its DMA is no traffic of any IOMMU; it can pin memory.
     */
    ACCESS
}
