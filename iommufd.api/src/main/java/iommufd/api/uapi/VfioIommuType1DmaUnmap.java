package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_dma_unmap} of {@code linux/vfio.h} (Linux 7.3), native byte order. Unmaps. {@link
 * VfioBitmap} follows if dirty pages are asked for. Argument of {@code VFIO_IOMMU_UNMAP_DMA}.
 */
public final class VfioIommuType1DmaUnmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_dma_unmap";
    /** Request number: {@code _IO(';', 0x72)}. */
    public static final int VFIO_IOMMU_UNMAP_DMA = 0x3B72;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_DMA_UNMAP_FLAG_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code iova}: start. */
    public static final int IOVA_OFFSET = 8;
    /** {@code size}: bytes; then how many were unmapped. */
    public static final int SIZE_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code size}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    /** Tells which of the pages were dirty. */
    public static final int VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1 << 0;
    /** Everything, whatever the range. */
    public static final int VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;
    /** Nothing is unmapped; the memory of the mappings is about to move in the process. */
    public static final int VFIO_DMA_UNMAP_FLAG_VADDR = 1 << 2;

    private VfioIommuType1DmaUnmap() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_DMA_UNMAP_FLAG_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code iova}: start. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }

    /** {@code size}: bytes; then how many were unmapped. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET, value);
    }
}
