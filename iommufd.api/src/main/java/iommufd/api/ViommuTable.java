package iommufd.api;

import java.util.Arrays;

/**
 * A vendor's description of a virtual IOMMU ({@code enum iommu_viommu_type} and its structure).
 *
 * @param type number of the vIOMMU type, such as 1 for {@code IOMMU_VIOMMU_TYPE_ARM_SMMUV3}
 * @param bytes the structure, native byte order; empty where the type has none
 */
public record ViommuTable(int type, byte[] bytes) {
    /** Copies {@code bytes}. */
    public ViommuTable {
        bytes = bytes.clone();
    }

    /** A copy of the structure. */
    @Override
    public byte[] bytes() {
        return bytes.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ViommuTable that && type == that.type && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return 31 * type + Arrays.hashCode(bytes);
    }
}
