package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_arm_smmuv3} of {@code linux/iommufd.h} (Linux 7.3), native byte order. The first two double
 * words of a guest's stream table entry, little-endian.
 */
public final class IommuHwptArmSmmuv3 {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_arm_smmuv3";

    /** {@code ste}: double words. */
    public static final int STE_OFFSET = 0;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuHwptArmSmmuv3() {}

    /** {@code ste[index]}; there are 2. */
    public static long ste(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, STE_OFFSET + index * 8);
    }

    /** Stores {@code ste[index]}. */
    public static void ste(MemorySegment struct, int index, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, STE_OFFSET + index * 8, value);
    }
}
