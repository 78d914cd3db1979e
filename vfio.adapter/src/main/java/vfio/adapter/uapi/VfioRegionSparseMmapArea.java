package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_region_sparse_mmap_area} of {@code linux/vfio.h} (Linux 7.3), native byte order: a part of a region
 * that can be mapped.
 */
public final class VfioRegionSparseMmapArea {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_region_sparse_mmap_area";

    /** {@code offset}: in the region. */
    public static final int OFFSET_OFFSET = 0;
    /** {@code size}: bytes. */
    public static final int SIZE_OFFSET = 8;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;

    private VfioRegionSparseMmapArea() {}

    /** {@code offset}: in the region. */
    public static long offset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET);
    }

    /** Stores {@code offset}. */
    public static void offset(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET, value);
    }

    /** {@code size}: bytes. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET, value);
    }
}
