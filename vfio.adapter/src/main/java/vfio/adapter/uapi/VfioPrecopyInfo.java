package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_precopy_info} of {@code linux/vfio.h} (Linux 7.3), native byte order: how much is still to be read.
 * Argument of {@code VFIO_MIG_GET_PRECOPY_INFO}.
 */
public final class VfioPrecopyInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_precopy_info";
    /** Request number: {@code _IO(';', 121)}. */
    public static final int VFIO_MIG_GET_PRECOPY_INFO = 0x3B79;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@link #VFIO_PRECOPY_INFO_REINIT} or 0, answered. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code initial_bytes}: the first round, answered. */
    public static final int INITIAL_BYTES_OFFSET = 8;
    /** {@code dirty_bytes}: what changed since, answered. */
    public static final int DIRTY_BYTES_OFFSET = 16;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code dirty_bytes}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    /** There is a new first round. */
    public static final int VFIO_PRECOPY_INFO_REINIT = 1;

    private VfioPrecopyInfo() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@link #VFIO_PRECOPY_INFO_REINIT} or 0, answered. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code initial_bytes}: the first round, answered. */
    public static long initialBytes(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, INITIAL_BYTES_OFFSET);
    }

    /** Stores {@code initial_bytes}. */
    public static void initialBytes(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, INITIAL_BYTES_OFFSET, value);
    }

    /** {@code dirty_bytes}: what changed since, answered. */
    public static long dirtyBytes(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DIRTY_BYTES_OFFSET);
    }

    /** Stores {@code dirty_bytes}. */
    public static void dirtyBytes(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DIRTY_BYTES_OFFSET, value);
    }
}
