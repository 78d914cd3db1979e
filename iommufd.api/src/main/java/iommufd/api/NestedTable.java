package iommufd.api;

import java.util.Arrays;

/**
 * A vendor's description of a page table that user space owns ({@code enum iommu_hwpt_data_type} and its structure).
 *
 * @param type number of the data type, such as 1 for {@code IOMMU_HWPT_DATA_VTD_S1}
 * @param bytes the structure, native byte order
 */
public record NestedTable(int type, byte[] bytes) {
    /** Copies {@code bytes}. */
    public NestedTable {
        bytes = bytes.clone();
    }

    /** A copy of the structure. */
    @Override
    public byte[] bytes() {
        return bytes.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof NestedTable that && type == that.type && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return 31 * type + Arrays.hashCode(bytes);
    }
}
