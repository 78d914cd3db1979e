package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_dirty_bitmap_get} of {@code linux/vfio.h} (Linux 7.3), native byte order. What is read
 * of the record of dirty pages.
 */
public final class VfioIommuType1DirtyBitmapGet {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_dirty_bitmap_get";

    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 0;
    /** {@code size}: bytes. */
    public static final int SIZE_OFFSET = 8;
    /** {@code bitmap}: {@link VfioBitmap}. */
    public static final int BITMAP_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;

    private VfioIommuType1DirtyBitmapGet() {}

    /** {@code iova}: start. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code size}: bytes. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET, value);
    }
}
