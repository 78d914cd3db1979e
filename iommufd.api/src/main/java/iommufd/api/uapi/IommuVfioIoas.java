package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_vfio_ioas} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Chooses the address space
 * that stands for a VFIO container. Argument of {@code IOMMU_VFIO_IOAS}.
 */
public final class IommuVfioIoas {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_vfio_ioas";
    /** Request number: {@code _IO(';', 0x88)}. */
    public static final int IOMMU_VFIO_IOAS = 0x3B88;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 4;
    /** {@code op}: {@code enum iommufd_vfio_ioas_op}. */
    public static final int OP_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 10;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 12;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 12;

    /** Reads. */
    public static final int IOMMU_VFIO_IOAS_GET = 0;
    /** Sets. */
    public static final int IOMMU_VFIO_IOAS_SET = 1;
    /** Clears. */
    public static final int IOMMU_VFIO_IOAS_CLEAR = 2;

    private IommuVfioIoas() {}

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

    /** {@code op}: {@code enum iommufd_vfio_ioas_op}. */
    public static short op(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, OP_OFFSET);
    }

    /** Stores {@code op}. */
    public static void op(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, OP_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static short reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
