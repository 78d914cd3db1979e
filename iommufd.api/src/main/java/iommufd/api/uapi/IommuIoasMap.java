package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_map} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Maps memory of the calling
 * process. Argument of {@code IOMMU_IOAS_MAP}.
 */
public final class IommuIoasMap {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_map";
    /** Request number: {@code _IO(';', 0x85)}. */
    public static final int IOMMU_IOAS_MAP = 0x3B85;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: {@code IOMMU_IOAS_MAP_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code user_va}: start in the process. */
    public static final int USER_VA_OFFSET = 16;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 24;
    /** {@code iova}: where, or where it was put. */
    public static final int IOVA_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code iova}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;

    /** The IOVA is given, not chosen. */
    public static final int IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0;
    /** Devices may write. */
    public static final int IOMMU_IOAS_MAP_WRITEABLE = 1 << 1;
    /** Devices may read. */
    public static final int IOMMU_IOAS_MAP_READABLE = 1 << 2;

    private IommuIoasMap() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: {@code IOMMU_IOAS_MAP_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code ioas_id}: address space. */
    public static int ioasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET);
    }

    /** Stores {@code ioas_id}. */
    public static void ioasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code user_va}: start in the process. */
    public static long userVa(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, USER_VA_OFFSET);
    }

    /** Stores {@code user_va}. */
    public static void userVa(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, USER_VA_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code iova}: where, or where it was put. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }
}
