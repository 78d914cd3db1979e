package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_vevent_arm_smmuv3} of {@code linux/iommufd.h} (Linux 7.3), native byte order. An event record of
 * SMMUv3, little-endian.
 */
public final class IommuVeventArmSmmuv3 {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_vevent_arm_smmuv3";

    /** {@code evt}: double words. */
    public static final int EVT_OFFSET = 0;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;

    private IommuVeventArmSmmuv3() {}

    /** {@code evt[index]}; there are 4. */
    public static long evt(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, EVT_OFFSET + index * 8);
    }

    /** Stores {@code evt[index]}. */
    public static void evt(MemorySegment struct, int index, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EVT_OFFSET + index * 8, value);
    }
}
