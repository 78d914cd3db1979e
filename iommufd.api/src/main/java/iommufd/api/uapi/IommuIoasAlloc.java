package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Makes an IO address space.
 * Argument of {@code IOMMU_IOAS_ALLOC}.
 */
public final class IommuIoasAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_alloc";
    /** Request number: {@code _IO(';', 0x81)}. */
    public static final int IOMMU_IOAS_ALLOC = 0x3B81;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code out_ioas_id}: the new object. */
    public static final int OUT_IOAS_ID_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 12;
    /** Through {@code out_ioas_id}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 12;

    private IommuIoasAlloc() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code out_ioas_id}: the new object. */
    public static int outIoasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_IOAS_ID_OFFSET);
    }

    /** Stores {@code out_ioas_id}. */
    public static void outIoasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_IOAS_ID_OFFSET, value);
    }
}
