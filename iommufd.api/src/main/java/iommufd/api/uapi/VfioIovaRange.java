package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iova_range} of {@code linux/vfio.h} (Linux 7.3), native byte order. A range of IO virtual
 * addresses, both ends inclusive.
 */
public final class VfioIovaRange {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iova_range";

    /** {@code start}: first address. */
    public static final int START_OFFSET = 0;
    /** {@code end}: last address. */
    public static final int END_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    private VfioIovaRange() {}

    /** {@code start}: first address. */
    public static long start(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET);
    }

    /** Stores {@code start}. */
    public static void start(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET, value);
    }

    /** {@code end}: last address. */
    public static long end(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, END_OFFSET);
    }

    /** Stores {@code end}. */
    public static void end(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, END_OFFSET, value);
    }
}
