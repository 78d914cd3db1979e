package iommufd.api;

/** A vendor's description of a page table that user space owns ({@code enum iommu_hwpt_data_type} and its structure). */
public final class NestedTable extends VendorStructure {
    /**
     * @param type number of the data type, such as 1 for {@code IOMMU_HWPT_DATA_VTD_S1}
     * @param bytes the structure, native byte order; copied
     */
    public NestedTable(int type, byte[] bytes) {
        super(type, bytes);
    }

    private NestedTable(int type, long lengthBytes, IommufdException reason) {
        super(type, lengthBytes, reason);
    }

    /** One whose {@link #bytes} throws {@code reason}. */
    public static NestedTable unreadable(int type, long lengthBytes, IommufdException reason) {
        return new NestedTable(type, lengthBytes, reason);
    }
}
