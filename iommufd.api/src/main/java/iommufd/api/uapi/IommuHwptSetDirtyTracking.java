package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_set_dirty_tracking} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Starts or
 * stops recording which pages DMA writes. Argument of {@code IOMMU_HWPT_SET_DIRTY_TRACKING}.
 */
public final class IommuHwptSetDirtyTracking {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_set_dirty_tracking";
    /** Request number: {@code _IO(';', 0x8b)}. */
    public static final int IOMMU_HWPT_SET_DIRTY_TRACKING = 0x3B8B;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: {@link #IOMMU_HWPT_DIRTY_TRACKING_ENABLE} or 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code hwpt_id}: paging table. */
    public static final int HWPT_ID_OFFSET = 8;
    /** {@code __reserved}: not looked at. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;
    /** Through {@code __reserved}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    /** Starts. */
    public static final int IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1;

    private IommuHwptSetDirtyTracking() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: {@link #IOMMU_HWPT_DIRTY_TRACKING_ENABLE} or 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code hwpt_id}: paging table. */
    public static int hwptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET);
    }

    /** Stores {@code hwpt_id}. */
    public static void hwptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, HWPT_ID_OFFSET, value);
    }

    /** {@code __reserved}: not looked at. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
