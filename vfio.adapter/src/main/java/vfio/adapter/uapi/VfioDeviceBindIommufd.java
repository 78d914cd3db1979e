package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_bind_iommufd} of {@code linux/vfio.h} (Linux 7.3), native byte order: gives a device to an
 * iommufd. Argument of {@code VFIO_DEVICE_BIND_IOMMUFD}.
 */
public final class VfioDeviceBindIommufd {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_bind_iommufd";
    /** Request number: {@code _IO(';', 118)}. */
    public static final int VFIO_DEVICE_BIND_IOMMUFD = 0x3B76;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@link #VFIO_DEVICE_BIND_FLAG_TOKEN} or 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code iommufd}: descriptor. */
    public static final int IOMMUFD_OFFSET = 8;
    /** {@code out_devid}: number of the device there, answered. */
    public static final int OUT_DEVID_OFFSET = 12;
    /** {@code token_uuid_ptr}: address of the token. */
    public static final int TOKEN_UUID_PTR_OFFSET = 16;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code out_devid}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    /** There is a token. */
    public static final int VFIO_DEVICE_BIND_FLAG_TOKEN = 1;

    private VfioDeviceBindIommufd() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@link #VFIO_DEVICE_BIND_FLAG_TOKEN} or 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code iommufd}: descriptor. */
    public static int iommufd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IOMMUFD_OFFSET);
    }

    /** Stores {@code iommufd}. */
    public static void iommufd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IOMMUFD_OFFSET, value);
    }

    /** {@code out_devid}: number of the device there, answered. */
    public static int outDevid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_DEVID_OFFSET);
    }

    /** Stores {@code out_devid}. */
    public static void outDevid(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_DEVID_OFFSET, value);
    }

    /** {@code token_uuid_ptr}: address of the token. */
    public static long tokenUuidPtr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, TOKEN_UUID_PTR_OFFSET);
    }

    /** Stores {@code token_uuid_ptr}. */
    public static void tokenUuidPtr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, TOKEN_UUID_PTR_OFFSET, value);
    }
}
