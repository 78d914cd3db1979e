package iommufd.api;

/** A vendor's description of a virtual IOMMU ({@code enum iommu_viommu_type} and its structure). */
public final class ViommuTable extends VendorStructure {
    /**
     * @param type number of the vIOMMU type, such as 1 for {@code IOMMU_VIOMMU_TYPE_ARM_SMMUV3}
     * @param bytes the structure, native byte order; empty where the type has none; copied
     */
    public ViommuTable(int type, byte[] bytes) {
        super(type, bytes);
    }

    private ViommuTable(int type, long lengthBytes, IommufdException reason) {
        super(type, lengthBytes, reason);
    }

    /** One whose {@link #bytes} throws {@code reason}. */
    public static ViommuTable unreadable(int type, long lengthBytes, IommufdException reason) {
        return new ViommuTable(type, lengthBytes, reason);
    }
}
