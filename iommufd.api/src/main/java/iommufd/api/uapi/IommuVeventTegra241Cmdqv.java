package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_vevent_tegra241_cmdqv} of {@code linux/iommufd.h} (Linux 7.3), native byte order. An event of
 * Tegra241 command queues, little-endian.
 */
public final class IommuVeventTegra241Cmdqv {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_vevent_tegra241_cmdqv";

    /** {@code lvcmdq_err_map}: a bit per queue in error. */
    public static final int LVCMDQ_ERR_MAP_OFFSET = 0;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuVeventTegra241Cmdqv() {}

    /** {@code lvcmdq_err_map[index]}; there are 2. */
    public static long lvcmdqErrMap(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LVCMDQ_ERR_MAP_OFFSET + index * 8);
    }

    /** Stores {@code lvcmdq_err_map[index]}. */
    public static void lvcmdqErrMap(MemorySegment struct, int index, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LVCMDQ_ERR_MAP_OFFSET + index * 8, value);
    }
}
