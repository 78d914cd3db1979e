package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_viommu_tegra241_cmdqv} of {@code linux/iommufd.h} (Linux 7.3), native byte order. What a vIOMMU of
 * Tegra241 answers.
 */
public final class IommuViommuTegra241Cmdqv {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_viommu_tegra241_cmdqv";

    /** {@code out_vintf_mmap_offset}: where its registers can be mapped. */
    public static final int OUT_VINTF_MMAP_OFFSET_OFFSET = 0;
    /** {@code out_vintf_mmap_length}: how long they are. */
    public static final int OUT_VINTF_MMAP_LENGTH_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuViommuTegra241Cmdqv() {}

    /** {@code out_vintf_mmap_offset}: where its registers can be mapped. */
    public static long outVintfMmapOffset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OUT_VINTF_MMAP_OFFSET_OFFSET);
    }

    /** Stores {@code out_vintf_mmap_offset}. */
    public static void outVintfMmapOffset(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OUT_VINTF_MMAP_OFFSET_OFFSET, value);
    }

    /** {@code out_vintf_mmap_length}: how long they are. */
    public static long outVintfMmapLength(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OUT_VINTF_MMAP_LENGTH_OFFSET);
    }

    /** Stores {@code out_vintf_mmap_length}. */
    public static void outVintfMmapLength(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OUT_VINTF_MMAP_LENGTH_OFFSET, value);
    }
}
