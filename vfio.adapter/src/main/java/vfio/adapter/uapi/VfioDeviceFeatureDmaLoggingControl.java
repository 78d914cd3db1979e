package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_dma_logging_control} of {@code linux/vfio.h} (Linux 7.3), native byte order: what to
 * record.
 */
public final class VfioDeviceFeatureDmaLoggingControl {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_dma_logging_control";

    /** {@code page_size}: bytes that one bit stands for; answered: what is in force. */
    public static final int PAGE_SIZE_OFFSET = 0;
    /** {@code num_ranges}: ranges. */
    public static final int NUM_RANGES_OFFSET = 8;
    /** {@code __reserved}: unused. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code ranges}: address of the ranges. */
    public static final int RANGES_OFFSET = 16;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 24;

    private VfioDeviceFeatureDmaLoggingControl() {}

    /** {@code page_size}: bytes that one bit stands for; answered: what is in force. */
    public static long pageSize(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET);
    }

    /** Stores {@code page_size}. */
    public static void pageSize(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET, value);
    }

    /** {@code num_ranges}: ranges. */
    public static int numRanges(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NUM_RANGES_OFFSET);
    }

    /** Stores {@code num_ranges}. */
    public static void numRanges(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NUM_RANGES_OFFSET, value);
    }

    /** {@code __reserved}: unused. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code ranges}: address of the ranges. */
    public static long ranges(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, RANGES_OFFSET);
    }

    /** Stores {@code ranges}. */
    public static void ranges(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, RANGES_OFFSET, value);
    }
}
