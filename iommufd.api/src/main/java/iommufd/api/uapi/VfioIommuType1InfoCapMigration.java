package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_info_cap_migration} of {@code linux/vfio.h} (Linux 7.3), native byte order. How dirty
 * pages are told.
 */
public final class VfioIommuType1InfoCapMigration {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_info_cap_migration";

    /** {@code header}: {@link VfioInfoCapHeader}. */
    public static final int HEADER_OFFSET = 0;
    /** {@code flags}: 0. */
    public static final int FLAGS_OFFSET = 8;
    /** {@code pgsize_bitmap}: a bit per size that a bit of a bitmap may stand for. */
    public static final int PGSIZE_BITMAP_OFFSET = 16;
    /** {@code max_dirty_bitmap_size}: longest bitmap in bytes. */
    public static final int MAX_DIRTY_BITMAP_SIZE_OFFSET = 24;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;

    /** Its id. */
    public static final int VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION = 2;

    private VfioIommuType1InfoCapMigration() {}

    /** {@code flags}: 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code pgsize_bitmap}: a bit per size that a bit of a bitmap may stand for. */
    public static long pgsizeBitmap(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PGSIZE_BITMAP_OFFSET);
    }

    /** Stores {@code pgsize_bitmap}. */
    public static void pgsizeBitmap(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PGSIZE_BITMAP_OFFSET, value);
    }

    /** {@code max_dirty_bitmap_size}: longest bitmap in bytes. */
    public static long maxDirtyBitmapSize(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, MAX_DIRTY_BITMAP_SIZE_OFFSET);
    }

    /** Stores {@code max_dirty_bitmap_size}. */
    public static void maxDirtyBitmapSize(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, MAX_DIRTY_BITMAP_SIZE_OFFSET, value);
    }
}
