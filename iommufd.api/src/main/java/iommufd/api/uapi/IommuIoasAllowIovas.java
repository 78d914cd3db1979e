package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_allow_iovas} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Limits the IOVAs that
 * are chosen automatically. Argument of {@code IOMMU_IOAS_ALLOW_IOVAS}.
 */
public final class IommuIoasAllowIovas {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_allow_iovas";
    /** Request number: {@code _IO(';', 0x82)}. */
    public static final int IOMMU_IOAS_ALLOW_IOVAS = 0x3B82;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 4;
    /** {@code num_iovas}: number of ranges. */
    public static final int NUM_IOVAS_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code allowed_iovas}: address of an array of {@link IommuIovaRange}. */
    public static final int ALLOWED_IOVAS_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code allowed_iovas}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    private IommuIoasAllowIovas() {}

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

    /** {@code num_iovas}: number of ranges. */
    public static int numIovas(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NUM_IOVAS_OFFSET);
    }

    /** Stores {@code num_iovas}. */
    public static void numIovas(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NUM_IOVAS_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code allowed_iovas}: address of an array of {@link IommuIovaRange}. */
    public static long allowedIovas(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, ALLOWED_IOVAS_OFFSET);
    }

    /** Stores {@code allowed_iovas}. */
    public static void allowedIovas(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, ALLOWED_IOVAS_OFFSET, value);
    }
}
