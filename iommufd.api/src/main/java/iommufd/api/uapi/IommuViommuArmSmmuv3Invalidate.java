package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_viommu_arm_smmuv3_invalidate} of {@code linux/iommufd.h} (Linux 7.3), native byte order. An SMMUv3
 * command, little-endian.
 */
public final class IommuViommuArmSmmuv3Invalidate {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_viommu_arm_smmuv3_invalidate";

    /** {@code cmd}: double words. */
    public static final int CMD_OFFSET = 0;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuViommuArmSmmuv3Invalidate() {}

    /** {@code cmd[index]}; there are 2. */
    public static long cmd(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, CMD_OFFSET + index * 8);
    }

    /** Stores {@code cmd[index]}. */
    public static void cmd(MemorySegment struct, int index, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, CMD_OFFSET + index * 8, value);
    }
}
