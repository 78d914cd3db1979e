package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hw_info_arm_smmuv3} of {@code linux/iommufd.h} (Linux 7.3), native byte order. What SMMUv3
 * hardware can do.
 */
public final class IommuHwInfoArmSmmuv3 {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_info_arm_smmuv3";

    /** {@code flags}: {@link #IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 4;
    /** {@code idr}: ID registers 0 to 5. */
    public static final int IDR_OFFSET = 8;
    /** {@code iidr}: implementation identification. */
    public static final int IIDR_OFFSET = 32;
    /** {@code aidr}: architecture identification. */
    public static final int AIDR_OFFSET = 36;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;

    /** Invalidations have to be repeated. */
    public static final int IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1 << 0;

    private IommuHwInfoArmSmmuv3() {}

    /** {@code flags}: {@link #IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code idr[index]}; there are 6. */
    public static int idr(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IDR_OFFSET + index * 4);
    }

    /** Stores {@code idr[index]}. */
    public static void idr(MemorySegment struct, int index, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IDR_OFFSET + index * 4, value);
    }

    /** {@code iidr}: implementation identification. */
    public static int iidr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IIDR_OFFSET);
    }

    /** Stores {@code iidr}. */
    public static void iidr(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IIDR_OFFSET, value);
    }

    /** {@code aidr}: architecture identification. */
    public static int aidr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, AIDR_OFFSET);
    }

    /** Stores {@code aidr}. */
    public static void aidr(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, AIDR_OFFSET, value);
    }
}
