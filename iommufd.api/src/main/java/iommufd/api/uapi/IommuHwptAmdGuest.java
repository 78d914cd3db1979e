package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_amd_guest} of {@code linux/iommufd.h} (Linux 7.3), native byte order. The first four double
 * words of a guest's device table entry.
 */
public final class IommuHwptAmdGuest {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_amd_guest";

    /** {@code dte}: double words. */
    public static final int DTE_OFFSET = 0;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;

    private IommuHwptAmdGuest() {}

    /** {@code dte[index]}; there are 4. */
    public static long dte(MemorySegment struct, int index) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DTE_OFFSET + index * 8);
    }

    /** Stores {@code dte[index]}. */
    public static void dte(MemorySegment struct, int index, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DTE_OFFSET + index * 8, value);
    }
}
