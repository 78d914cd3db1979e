package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_dma_buf} of {@code linux/vfio.h} (Linux 7.3), native byte order: a region as a dma-buf;
 * ranges follow.
 */
public final class VfioDeviceFeatureDmaBuf {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_dma_buf";

    /** {@code region_index}: which region. */
    public static final int REGION_INDEX_OFFSET = 0;
    /** {@code open_flags}: of the new descriptor. */
    public static final int OPEN_FLAGS_OFFSET = 4;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 8;
    /** {@code nr_ranges}: how many. */
    public static final int NR_RANGES_OFFSET = 12;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;

    private VfioDeviceFeatureDmaBuf() {}

    /** {@code region_index}: which region. */
    public static int regionIndex(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, REGION_INDEX_OFFSET);
    }

    /** Stores {@code region_index}. */
    public static void regionIndex(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, REGION_INDEX_OFFSET, value);
    }

    /** {@code open_flags}: of the new descriptor. */
    public static int openFlags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OPEN_FLAGS_OFFSET);
    }

    /** Stores {@code open_flags}. */
    public static void openFlags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OPEN_FLAGS_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code nr_ranges}: how many. */
    public static int nrRanges(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NR_RANGES_OFFSET);
    }

    /** Stores {@code nr_ranges}. */
    public static void nrRanges(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NR_RANGES_OFFSET, value);
    }
}
