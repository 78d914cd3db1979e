package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_get_dirty_bitmap} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Tells which
 * pages DMA wrote. Argument of {@code IOMMU_HWPT_GET_DIRTY_BITMAP}.
 */
public final class IommuHwptGetDirtyBitmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_get_dirty_bitmap";
    /** Request number: {@code _IO(';', 0x8c)}. */
    public static final int IOMMU_HWPT_GET_DIRTY_BITMAP = 0x3B8C;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code hwpt_id}: paging table. */
    public static final int HWPT_ID_OFFSET = 4;
    /** {@code flags}: {@link #IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR} or 0. */
    public static final int FLAGS_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 16;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 24;
    /** {@code page_size}: bytes that one bit stands for. */
    public static final int PAGE_SIZE_OFFSET = 32;
    /** {@code data}: address of the bitmap. */
    public static final int DATA_OFFSET = 40;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 48;
    /** Through {@code data}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 48;

    /** Does not forget what it tells. */
    public static final int IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1;

    private IommuHwptGetDirtyBitmap() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code hwpt_id}: paging table. */
    public static int hwptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET);
    }

    /** Stores {@code hwpt_id}. */
    public static void hwptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET, value);
    }

    /** {@code flags}: {@link #IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR} or 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code iova}: start. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code page_size}: bytes that one bit stands for. */
    public static long pageSize(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET);
    }

    /** Stores {@code page_size}. */
    public static void pageSize(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_SIZE_OFFSET, value);
    }

    /** {@code data}: address of the bitmap. */
    public static long data(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET);
    }

    /** Stores {@code data}. */
    public static void data(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, DATA_OFFSET, value);
    }
}
