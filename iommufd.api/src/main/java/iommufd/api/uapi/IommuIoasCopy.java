package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_copy} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Shows what one range shows
 * at another place too. Argument of {@code IOMMU_IOAS_COPY}.
 */
public final class IommuIoasCopy {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_copy";
    /** Request number: {@code _IO(';', 0x83)}. */
    public static final int IOMMU_IOAS_COPY = 0x3B83;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: of {@link IommuIoasMap}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code dst_ioas_id}: address space that gets the mapping. */
    public static final int DST_IOAS_ID_OFFSET = 8;
    /** {@code src_ioas_id}: address space that has it. */
    public static final int SRC_IOAS_ID_OFFSET = 12;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 16;
    /** {@code dst_iova}: where, or where it was put. */
    public static final int DST_IOVA_OFFSET = 24;
    /** {@code src_iova}: where it is. */
    public static final int SRC_IOVA_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code src_iova}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;

    private IommuIoasCopy() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: of {@link IommuIoasMap}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code dst_ioas_id}: address space that gets the mapping. */
    public static int dstIoasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DST_IOAS_ID_OFFSET);
    }

    /** Stores {@code dst_ioas_id}. */
    public static void dstIoasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DST_IOAS_ID_OFFSET, value);
    }

    /** {@code src_ioas_id}: address space that has it. */
    public static int srcIoasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SRC_IOAS_ID_OFFSET);
    }

    /** Stores {@code src_ioas_id}. */
    public static void srcIoasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SRC_IOAS_ID_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code dst_iova}: where, or where it was put. */
    public static long dstIova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DST_IOVA_OFFSET);
    }

    /** Stores {@code dst_iova}. */
    public static void dstIova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DST_IOVA_OFFSET, value);
    }

    /** {@code src_iova}: where it is. */
    public static long srcIova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SRC_IOVA_OFFSET);
    }

    /** Stores {@code src_iova}. */
    public static void srcIova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SRC_IOVA_OFFSET, value);
    }
}
