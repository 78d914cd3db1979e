package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_info_dma_avail} of {@code linux/vfio.h} (Linux 7.3), native byte order. How many
 * mappings can still be made.
 */
public final class VfioIommuType1InfoDmaAvail {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_info_dma_avail";

    /** {@code header}: {@link VfioInfoCapHeader}. */
    public static final int HEADER_OFFSET = 0;
    /** {@code avail}: mappings. */
    public static final int AVAIL_OFFSET = 8;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 12;

    /** Its id. */
    public static final int VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;

    private VfioIommuType1InfoDmaAvail() {}

    /** {@code avail}: mappings. */
    public static int avail(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, AVAIL_OFFSET);
    }

    /** Stores {@code avail}. */
    public static void avail(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, AVAIL_OFFSET, value);
    }
}
