package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hw_info} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Tells about the IOMMU in front
 * of a device. Argument of {@code IOMMU_GET_HW_INFO}.
 */
public final class IommuHwInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_info";
    /** Request number: {@code _IO(';', 0x8a)}. */
    public static final int IOMMU_GET_HW_INFO = 0x3B8A;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: {@link #IOMMU_HW_INFO_FLAG_INPUT_TYPE}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code dev_id}: device. */
    public static final int DEV_ID_OFFSET = 8;
    /** {@code data_len}: room for data; then how much there is. */
    public static final int DATA_LEN_OFFSET = 12;
    /** {@code data_uptr}: address of the room. */
    public static final int DATA_UPTR_OFFSET = 16;
    /** {@code in_data_type}: wanted type; then what the data is. */
    public static final int IN_DATA_TYPE_OFFSET = 24;
    /** {@code out_max_pasid_log2}: width of PASIDs. */
    public static final int OUT_MAX_PASID_LOG2_OFFSET = 28;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 29;
    /** {@code out_capabilities}: {@code enum iommufd_hw_capabilities}. */
    public static final int OUT_CAPABILITIES_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 32;

    /** A type is asked for. */
    public static final int IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0;
    /** No data. */
    public static final int IOMMU_HW_INFO_TYPE_NONE = 0;
    /** Whatever there is. */
    public static final int IOMMU_HW_INFO_TYPE_DEFAULT = 0;
    /** {@link IommuHwInfoVtd}. */
    public static final int IOMMU_HW_INFO_TYPE_INTEL_VTD = 1;
    /** {@link IommuHwInfoArmSmmuv3}. */
    public static final int IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2;
    /** {@link IommuHwInfoTegra241Cmdqv}. */
    public static final int IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3;
    /** {@link IommuHwInfoAmd}. */
    public static final int IOMMU_HW_INFO_TYPE_AMD = 4;
    /** Dirty pages can be tracked. */
    public static final int IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0;
    /** Requests with PASID may ask to execute. */
    public static final int IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1;
    /** Requests with PASID may be privileged. */
    public static final int IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2;
    /** ATS cannot be used. */
    public static final int IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3;

    private IommuHwInfo() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: {@link #IOMMU_HW_INFO_FLAG_INPUT_TYPE}. */
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

    /** {@code data_len}: room for data; then how much there is. */
    public static int dataLen(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET);
    }

    /** Stores {@code data_len}. */
    public static void dataLen(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_LEN_OFFSET, value);
    }

    /** {@code data_uptr}: address of the room. */
    public static long dataUptr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET);
    }

    /** Stores {@code data_uptr}. */
    public static void dataUptr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_UPTR_OFFSET, value);
    }

    /** {@code in_data_type}: wanted type; then what the data is. */
    public static int inDataType(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IN_DATA_TYPE_OFFSET);
    }

    /** Stores {@code in_data_type}. */
    public static void inDataType(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IN_DATA_TYPE_OFFSET, value);
    }

    /** {@code out_max_pasid_log2}: width of PASIDs. */
    public static byte outMaxPasidLog2(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, OUT_MAX_PASID_LOG2_OFFSET);
    }

    /** Stores {@code out_max_pasid_log2}. */
    public static void outMaxPasidLog2(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, OUT_MAX_PASID_LOG2_OFFSET, value);
    }

    /** {@code __reserved[index]}; there are 3. */
    public static byte reserved(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_BYTE, RESERVED_OFFSET + index);
    }

    /** Stores {@code __reserved[index]}. */
    public static void reserved(MemorySegment struct, int index, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, RESERVED_OFFSET + index, value);
    }

    /** {@code out_capabilities}: {@code enum iommufd_hw_capabilities}. */
    public static long outCapabilities(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OUT_CAPABILITIES_OFFSET);
    }

    /** Stores {@code out_capabilities}. */
    public static void outCapabilities(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OUT_CAPABILITIES_OFFSET, value);
    }
}
