package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_unmap} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Unmaps whole mappings of a
 * range. Argument of {@code IOMMU_IOAS_UNMAP}.
 */
public final class IommuIoasUnmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_unmap";
    /** Request number: {@code _IO(';', 0x86)}. */
    public static final int IOMMU_IOAS_UNMAP = 0x3B86;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 4;
    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 8;
    /** {@code length}: bytes; then how many were unmapped. */
    public static final int LENGTH_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code length}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    private IommuIoasUnmap() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code ioas_id}: address space. */
    public static int ioasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET);
    }

    /** Stores {@code ioas_id}. */
    public static void ioasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET, value);
    }

    /** {@code iova}: start. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code length}: bytes; then how many were unmapped. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }
}
