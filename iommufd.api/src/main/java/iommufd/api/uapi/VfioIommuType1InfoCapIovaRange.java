package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_info_cap_iova_range} of {@code linux/vfio.h} (Linux 7.3), native byte order. Which
 * IOVAs can be mapped: an array of {@link VfioIovaRange} follows.
 */
public final class VfioIommuType1InfoCapIovaRange {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_info_cap_iova_range";

    /** {@code header}: {@link VfioInfoCapHeader}. */
    public static final int HEADER_OFFSET = 0;
    /** {@code nr_iovas}: number of ranges. */
    public static final int NR_IOVAS_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;

    /** Its id. */
    public static final int VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;

    private VfioIommuType1InfoCapIovaRange() {}

    /** {@code nr_iovas}: number of ranges. */
    public static int nrIovas(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NR_IOVAS_OFFSET);
    }

    /** Stores {@code nr_iovas}. */
    public static void nrIovas(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NR_IOVAS_OFFSET, value);
    }
}
