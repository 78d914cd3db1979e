package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct vfio_bitmap} of {@code linux/vfio.h} (Linux 7.3), native byte order. A bitmap of the caller. */
public final class VfioBitmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_bitmap";

    /** {@code pgsize}: bytes that a bit stands for. */
    public static final int PGSIZE_OFFSET = 0;
    /** {@code size}: length of the bitmap in bytes. */
    public static final int SIZE_OFFSET = 8;
    /** {@code data}: its address. */
    public static final int DATA_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;

    private VfioBitmap() {}

    /** {@code pgsize}: bytes that a bit stands for. */
    public static long pgsize(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PGSIZE_OFFSET);
    }

    /** Stores {@code pgsize}. */
    public static void pgsize(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PGSIZE_OFFSET, value);
    }

    /** {@code size}: length of the bitmap in bytes. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code data}: its address. */
    public static long data(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET);
    }

    /** Stores {@code data}. */
    public static void data(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET, value);
    }
}
