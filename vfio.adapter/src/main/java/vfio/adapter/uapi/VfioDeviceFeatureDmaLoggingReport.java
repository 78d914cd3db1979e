package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_dma_logging_report} of {@code linux/vfio.h} (Linux 7.3), native byte order: what was
 * written.
 */
public final class VfioDeviceFeatureDmaLoggingReport {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_dma_logging_report";

    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 0;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 8;
    /** {@code page_size}: bytes that one bit stands for. */
    public static final int PAGE_SIZE_OFFSET = 16;
    /** {@code bitmap}: address of the bitmap. */
    public static final int BITMAP_OFFSET = 24;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 32;

    private VfioDeviceFeatureDmaLoggingReport() {}

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

    /** {@code page_size}: bytes that one bit stands for. */
    public static long pageSize(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET);
    }

    /** Stores {@code page_size}. */
    public static void pageSize(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET, value);
    }

    /** {@code bitmap}: address of the bitmap. */
    public static long bitmap(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, BITMAP_OFFSET);
    }

    /** Stores {@code bitmap}. */
    public static void bitmap(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, BITMAP_OFFSET, value);
    }
}
