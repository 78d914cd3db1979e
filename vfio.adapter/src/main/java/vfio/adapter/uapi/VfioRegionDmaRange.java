package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct vfio_region_dma_range} of {@code linux/vfio.h} (Linux 7.3), native byte order: a part of a region. */
public final class VfioRegionDmaRange {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_region_dma_range";

    /** {@code offset}: in the region. */
    public static final int OFFSET_OFFSET = 0;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 8;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;

    private VfioRegionDmaRange() {}

    /** {@code offset}: in the region. */
    public static long offset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET);
    }

    /** Stores {@code offset}. */
    public static void offset(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET, value);
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
