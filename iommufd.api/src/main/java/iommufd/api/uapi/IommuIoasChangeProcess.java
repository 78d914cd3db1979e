package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_change_process} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Moves the charge
 * for pinned memory to the calling process. Argument of {@code IOMMU_IOAS_CHANGE_PROCESS}.
 */
public final class IommuIoasChangeProcess {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_change_process";
    /** Request number: {@code _IO(';', 0x92)}. */
    public static final int IOMMU_IOAS_CHANGE_PROCESS = 0x3B92;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 8;

    private IommuIoasChangeProcess() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
