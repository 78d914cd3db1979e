package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_ioeventfd} of {@code linux/vfio.h} (Linux 7.3), native byte order: writes a register whenever an
 * eventfd is signalled. Argument of {@code VFIO_DEVICE_IOEVENTFD}.
 */
public final class VfioDeviceIoeventfd {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_ioeventfd";
    /** Request number: {@code _IO(';', 116)}. */
    public static final int VFIO_DEVICE_IOEVENTFD = 0x3B74;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: one of {@code VFIO_DEVICE_IOEVENTFD_}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code offset}: of the register in the file. */
    public static final int OFFSET_OFFSET = 8;
    /** {@code data}: what is written. */
    public static final int DATA_OFFSET = 16;
    /** {@code fd}: eventfd; -1 ends it. */
    public static final int FD_OFFSET = 24;
    /** {@code reserved}: unused. */
    public static final int RESERVED_OFFSET = 28;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code fd}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 28;

    /** A byte. */
    public static final int VFIO_DEVICE_IOEVENTFD_8 = 1;
    /** Two bytes. */
    public static final int VFIO_DEVICE_IOEVENTFD_16 = 2;
    /** Four bytes. */
    public static final int VFIO_DEVICE_IOEVENTFD_32 = 4;
    /** Eight bytes. */
    public static final int VFIO_DEVICE_IOEVENTFD_64 = 8;
    /** All widths. */
    public static final int VFIO_DEVICE_IOEVENTFD_SIZE_MASK = 15;

    private VfioDeviceIoeventfd() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: one of {@code VFIO_DEVICE_IOEVENTFD_}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code offset}: of the register in the file. */
    public static long offset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET);
    }

    /** Stores {@code offset}. */
    public static void offset(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET, value);
    }

    /** {@code data}: what is written. */
    public static long data(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET);
    }

    /** Stores {@code data}. */
    public static void data(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET, value);
    }

    /** {@code fd}: eventfd; -1 ends it. */
    public static int fd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FD_OFFSET);
    }

    /** Stores {@code fd}. */
    public static void fd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FD_OFFSET, value);
    }

    /** {@code reserved}: unused. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
