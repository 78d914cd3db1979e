package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_group_status} of {@code linux/vfio.h} (Linux 7.3), native byte order. Tells about a group. Argument
 * of {@code VFIO_GROUP_GET_STATUS}.
 */
public final class VfioGroupStatus {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_group_status";
    /** Request number: {@code _IO(';', 0x67)}. */
    public static final int VFIO_GROUP_GET_STATUS = 0x3B67;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_GROUP_FLAGS_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;
    /** Through {@code flags}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 8;

    /** Nobody else drives a device of the group. */
    public static final int VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
    /** It has a container. */
    public static final int VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

    private VfioGroupStatus() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_GROUP_FLAGS_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }
}
