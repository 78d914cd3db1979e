package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct iommu_hw_info_amd} of {@code linux/iommufd.h} (Linux 7.3), native byte order. What AMD hardware can do. */
public final class IommuHwInfoAmd {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_info_amd";

    /** {@code efr}: Extended Feature register. */
    public static final int EFR_OFFSET = 0;
    /** {@code efr2}: Extended Feature 2 register. */
    public static final int EFR2_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuHwInfoAmd() {}

    /** {@code efr}: Extended Feature register. */
    public static long efr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, EFR_OFFSET);
    }

    /** Stores {@code efr}. */
    public static void efr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EFR_OFFSET, value);
    }

    /** {@code efr2}: Extended Feature 2 register. */
    public static long efr2(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, EFR2_OFFSET);
    }

    /** Stores {@code efr2}. */
    public static void efr2(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EFR2_OFFSET, value);
    }
}
