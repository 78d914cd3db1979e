package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_iova_range} of {@code linux/iommufd.h} (Linux 7.3), native byte order. A range of IO virtual
 * addresses, both ends inclusive.
 */
public final class IommuIovaRange {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_iova_range";

    /** {@code start}: first address. */
    public static final int START_OFFSET = 0;
    /** {@code last}: last address. */
    public static final int LAST_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private IommuIovaRange() {}

    /** {@code start}: first address. */
    public static long start(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET);
    }

    /** Stores {@code start}. */
    public static void start(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET, value);
    }

    /** {@code last}: last address. */
    public static long last(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LAST_OFFSET);
    }

    /** Stores {@code last}. */
    public static void last(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LAST_OFFSET, value);
    }
}
