package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_dma_logging_range} of {@code linux/vfio.h} (Linux 7.3), native byte order: a range to
 * record.
 */
public final class VfioDeviceFeatureDmaLoggingRange {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_dma_logging_range";

    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 0;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 8;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;

    private VfioDeviceFeatureDmaLoggingRange() {}

    /** {@code iova}: start. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }
}
