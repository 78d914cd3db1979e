package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Makes a hardware page
 * table. Argument of {@code IOMMU_HWPT_ALLOC}.
 */
public final class IommuHwptAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_alloc";
    /** Request number: {@code _IO(';', 0x89)}. */
    public static final int IOMMU_HWPT_ALLOC = 0x3B89;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: {@code enum iommufd_hwpt_alloc_flags}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code dev_id}: device. */
    public static final int DEV_ID_OFFSET = 8;
    /** {@code pt_id}: address space, nest parent or vIOMMU it is made from. */
    public static final int PT_ID_OFFSET = 12;
    /** {@code out_hwpt_id}: the new object. */
    public static final int OUT_HWPT_ID_OFFSET = 16;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 20;
    /** {@code data_type}: {@code enum iommu_hwpt_data_type}. */
    public static final int DATA_TYPE_OFFSET = 24;
    /** {@code data_len}: size of the data. */
    public static final int DATA_LEN_OFFSET = 28;
    /** {@code data_uptr}: address of the data. */
    public static final int DATA_UPTR_OFFSET = 32;
    /** {@code fault_id}: fault queue, with {@link #IOMMU_HWPT_FAULT_ID_VALID}. */
    public static final int FAULT_ID_OFFSET = 40;
    /** {@code __reserved2}: not looked at. */
    public static final int RESERVED2_OFFSET = 44;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 48;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    /** May carry nested tables and vIOMMUs. */
    public static final int IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0;
    /** Records which pages DMA writes. */
    public static final int IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1;
    /** Recoverable faults go to a fault queue. */
    public static final int IOMMU_HWPT_FAULT_ID_VALID = 1 << 2;
    /** May be attached to PASIDs. */
    public static final int IOMMU_HWPT_ALLOC_PASID = 1 << 3;
    /** No data: a paging table. */
    public static final int IOMMU_HWPT_DATA_NONE = 0;
    /** {@link IommuHwptVtdS1}. */
    public static final int IOMMU_HWPT_DATA_VTD_S1 = 1;
    /** {@link IommuHwptArmSmmuv3}. */
    public static final int IOMMU_HWPT_DATA_ARM_SMMUV3 = 2;
    /** {@link IommuHwptAmdGuest}. */
    public static final int IOMMU_HWPT_DATA_AMD_GUEST = 3;

    private IommuHwptAlloc() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: {@code enum iommufd_hwpt_alloc_flags}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code dev_id}: device. */
    public static int devId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET);
    }

    /** Stores {@code dev_id}. */
    public static void devId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET, value);
    }

    /** {@code pt_id}: address space, nest parent or vIOMMU it is made from. */
    public static int ptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PT_ID_OFFSET);
    }

    /** Stores {@code pt_id}. */
    public static void ptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PT_ID_OFFSET, value);
    }

    /** {@code out_hwpt_id}: the new object. */
    public static int outHwptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_HWPT_ID_OFFSET);
    }

    /** Stores {@code out_hwpt_id}. */
    public static void outHwptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_HWPT_ID_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code data_type}: {@code enum iommu_hwpt_data_type}. */
    public static int dataType(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_TYPE_OFFSET);
    }

    /** Stores {@code data_type}. */
    public static void dataType(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_TYPE_OFFSET, value);
    }

    /** {@code data_len}: size of the data. */
    public static int dataLen(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET);
    }

    /** Stores {@code data_len}. */
    public static void dataLen(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET, value);
    }

    /** {@code data_uptr}: address of the data. */
    public static long dataUptr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET);
    }

    /** Stores {@code data_uptr}. */
    public static void dataUptr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET, value);
    }

    /** {@code fault_id}: fault queue, with {@link #IOMMU_HWPT_FAULT_ID_VALID}. */
    public static int faultId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FAULT_ID_OFFSET);
    }

    /** Stores {@code fault_id}. */
    public static void faultId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FAULT_ID_OFFSET, value);
    }

    /** {@code __reserved2}: not looked at. */
    public static int reserved2(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED2_OFFSET);
    }

    /** Stores {@code __reserved2}. */
    public static void reserved2(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED2_OFFSET, value);
    }
}
