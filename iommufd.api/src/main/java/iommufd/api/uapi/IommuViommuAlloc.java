package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_viommu_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Makes a virtual IOMMU.
 * Argument of {@code IOMMU_VIOMMU_ALLOC}.
 */
public final class IommuViommuAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_viommu_alloc";
    /** Request number: {@code _IO(';', 0x90)}. */
    public static final int IOMMU_VIOMMU_ALLOC = 0x3B90;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code type}: {@code enum iommu_viommu_type}. */
    public static final int TYPE_OFFSET = 8;
    /** {@code dev_id}: a device behind the physical IOMMU. */
    public static final int DEV_ID_OFFSET = 12;
    /** {@code hwpt_id}: nest parent. */
    public static final int HWPT_ID_OFFSET = 16;
    /** {@code out_viommu_id}: the new object. */
    public static final int OUT_VIOMMU_ID_OFFSET = 20;
    /** {@code data_len}: size of the data. */
    public static final int DATA_LEN_OFFSET = 24;
    /** {@code __reserved}: not looked at. */
    public static final int RESERVED_OFFSET = 28;
    /** {@code data_uptr}: address of the data. */
    public static final int DATA_UPTR_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code out_viommu_id}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    /** None. */
    public static final int IOMMU_VIOMMU_TYPE_DEFAULT = 0;
    /** SMMUv3. */
    public static final int IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1;
    /** SMMUv3 with Tegra241 command queues. */
    public static final int IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2;

    private IommuViommuAlloc() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code type}: {@code enum iommu_viommu_type}. */
    public static int type(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET);
    }

    /** Stores {@code type}. */
    public static void type(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET, value);
    }

    /** {@code dev_id}: a device behind the physical IOMMU. */
    public static int devId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET);
    }

    /** Stores {@code dev_id}. */
    public static void devId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET, value);
    }

    /** {@code hwpt_id}: nest parent. */
    public static int hwptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET);
    }

    /** Stores {@code hwpt_id}. */
    public static void hwptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET, value);
    }

    /** {@code out_viommu_id}: the new object. */
    public static int outViommuId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_VIOMMU_ID_OFFSET);
    }

    /** Stores {@code out_viommu_id}. */
    public static void outViommuId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_VIOMMU_ID_OFFSET, value);
    }

    /** {@code data_len}: size of the data. */
    public static int dataLen(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET);
    }

    /** Stores {@code data_len}. */
    public static void dataLen(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET, value);
    }

    /** {@code __reserved}: not looked at. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code data_uptr}: address of the data. */
    public static long dataUptr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET);
    }

    /** Stores {@code data_uptr}. */
    public static void dataUptr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET, value);
    }
}
