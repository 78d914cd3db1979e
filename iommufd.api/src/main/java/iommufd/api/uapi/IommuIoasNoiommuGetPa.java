package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_noiommu_get_pa} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Tells where an
 * IOVA lies in physical memory. Argument of {@code IOMMU_IOAS_NOIOMMU_GET_PA}.
 */
public final class IommuIoasNoiommuGetPa {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_noiommu_get_pa";
    /** Request number: {@code _IO(';', 0x95)}. */
    public static final int IOMMU_IOAS_NOIOMMU_GET_PA = 0x3B95;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code iova}: address. */
    public static final int IOVA_OFFSET = 16;
    /** {@code length}: bytes of interest; then how many are contiguous. */
    public static final int LENGTH_OFFSET = 24;
    /** {@code out_phys}: physical address. */
    public static final int OUT_PHYS_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code out_phys}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;

    private IommuIoasNoiommuGetPa() {}

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

    /** {@code iova}: address. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code length}: bytes of interest; then how many are contiguous. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code out_phys}: physical address. */
    public static long outPhys(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OUT_PHYS_OFFSET);
    }

    /** Stores {@code out_phys}. */
    public static void outPhys(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OUT_PHYS_OFFSET, value);
    }
}
