package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_iova_ranges} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Tells which IOVAs can
 * be mapped. Argument of {@code IOMMU_IOAS_IOVA_RANGES}.
 */
public final class IommuIoasIovaRanges {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_iova_ranges";
    /** Request number: {@code _IO(';', 0x84)}. */
    public static final int IOMMU_IOAS_IOVA_RANGES = 0x3B84;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 4;
    /** {@code num_iovas}: room for ranges; then how many there are. */
    public static final int NUM_IOVAS_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code allowed_iovas}: address of an array of {@link IommuIovaRange}. */
    public static final int ALLOWED_IOVAS_OFFSET = 16;
    /** {@code out_iova_alignment}: what IOVAs and lengths are multiples of. */
    public static final int OUT_IOVA_ALIGNMENT_OFFSET = 24;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code out_iova_alignment}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 32;

    private IommuIoasIovaRanges() {}

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

    /** {@code num_iovas}: room for ranges; then how many there are. */
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

    /** {@code out_iova_alignment}: what IOVAs and lengths are multiples of. */
    public static long outIovaAlignment(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OUT_IOVA_ALIGNMENT_OFFSET);
    }

    /** Stores {@code out_iova_alignment}. */
    public static void outIovaAlignment(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OUT_IOVA_ALIGNMENT_OFFSET, value);
    }
}
