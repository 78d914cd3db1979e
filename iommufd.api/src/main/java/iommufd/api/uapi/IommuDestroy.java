package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_destroy} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Destroys any object. Argument
 * of {@code IOMMU_DESTROY}.
 */
public final class IommuDestroy {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_destroy";
    /** Request number: {@code _IO(';', 0x80)}. */
    public static final int IOMMU_DESTROY = 0x3B80;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code id}: object. */
    public static final int ID_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;
    /** Through {@code id}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 8;

    private IommuDestroy() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code id}: object. */
    public static int id(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ID_OFFSET);
    }

    /** Stores {@code id}. */
    public static void id(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ID_OFFSET, value);
    }
}
