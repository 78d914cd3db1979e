package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_info_cap_header} of {@code linux/vfio.h} (Linux 7.3), native byte order. Stands before each
 * capability of a chain.
 */
public final class VfioInfoCapHeader {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_info_cap_header";

    /** {@code id}: what it tells. */
    public static final int ID_OFFSET = 0;
    /** {@code version}: version of the id. */
    public static final int VERSION_OFFSET = 2;
    /** {@code next}: offset of the next one in the whole struct; 0 for none. */
    public static final int NEXT_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;

    private VfioInfoCapHeader() {}

    /** {@code id}: what it tells. */
    public static short id(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, ID_OFFSET);
    }

    /** Stores {@code id}. */
    public static void id(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, ID_OFFSET, value);
    }

    /** {@code version}: version of the id. */
    public static short version(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, VERSION_OFFSET);
    }

    /** Stores {@code version}. */
    public static void version(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, VERSION_OFFSET, value);
    }

    /** {@code next}: offset of the next one in the whole struct; 0 for none. */
    public static int next(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NEXT_OFFSET);
    }

    /** Stores {@code next}. */
    public static void next(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NEXT_OFFSET, value);
    }
}
