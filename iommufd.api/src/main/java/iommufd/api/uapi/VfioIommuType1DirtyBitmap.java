package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_dirty_bitmap} of {@code linux/vfio.h} (Linux 7.3), native byte order. Starts, stops or
 * reads the record of dirty pages. {@link VfioIommuType1DirtyBitmapGet} follows if it is read. Argument of {@code
 * VFIO_IOMMU_DIRTY_PAGES}.
 */
public final class VfioIommuType1DirtyBitmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_dirty_bitmap";
    /** Request number: {@code _IO(';', 0x75)}. */
    public static final int VFIO_IOMMU_DIRTY_PAGES = 0x3B75;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: one of {@code VFIO_IOMMU_DIRTY_PAGES_FLAG_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;
    /** Through {@code flags}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 8;

    /** Starts. */
    public static final int VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1 << 0;
    /** Stops. */
    public static final int VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 1 << 1;
    /** Reads, and forgets. */
    public static final int VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 1 << 2;

    private VfioIommuType1DirtyBitmap() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: one of {@code VFIO_IOMMU_DIRTY_PAGES_FLAG_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }
}
