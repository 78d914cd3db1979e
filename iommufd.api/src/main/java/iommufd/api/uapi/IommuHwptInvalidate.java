package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_invalidate} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Carries out a guest's
 * invalidation requests. Argument of {@code IOMMU_HWPT_INVALIDATE}.
 */
public final class IommuHwptInvalidate {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_invalidate";
    /** Request number: {@code _IO(';', 0x8d)}. */
    public static final int IOMMU_HWPT_INVALIDATE = 0x3B8D;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code hwpt_id}: nested table or vIOMMU. */
    public static final int HWPT_ID_OFFSET = 4;
    /** {@code data_uptr}: address of the entries. */
    public static final int DATA_UPTR_OFFSET = 8;
    /** {@code data_type}: {@code enum iommu_hwpt_invalidate_data_type}. */
    public static final int DATA_TYPE_OFFSET = 16;
    /** {@code entry_len}: size of an entry. */
    public static final int ENTRY_LEN_OFFSET = 20;
    /** {@code entry_num}: number of entries; then how many were carried out. */
    public static final int ENTRY_NUM_OFFSET = 24;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 28;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 32;

    /** {@link IommuHwptVtdS1Invalidate}. */
    public static final int IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0;
    /** {@link IommuViommuArmSmmuv3Invalidate}. */
    public static final int IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1;

    private IommuHwptInvalidate() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code hwpt_id}: nested table or vIOMMU. */
    public static int hwptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET);
    }

    /** Stores {@code hwpt_id}. */
    public static void hwptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET, value);
    }

    /** {@code data_uptr}: address of the entries. */
    public static long dataUptr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET);
    }

    /** Stores {@code data_uptr}. */
    public static void dataUptr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET, value);
    }

    /** {@code data_type}: {@code enum iommu_hwpt_invalidate_data_type}. */
    public static int dataType(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_TYPE_OFFSET);
    }

    /** Stores {@code data_type}. */
    public static void dataType(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_TYPE_OFFSET, value);
    }

    /** {@code entry_len}: size of an entry. */
    public static int entryLen(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ENTRY_LEN_OFFSET);
    }

    /** Stores {@code entry_len}. */
    public static void entryLen(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ENTRY_LEN_OFFSET, value);
    }

    /** {@code entry_num}: number of entries; then how many were carried out. */
    public static int entryNum(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ENTRY_NUM_OFFSET);
    }

    /** Stores {@code entry_num}. */
    public static void entryNum(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ENTRY_NUM_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
