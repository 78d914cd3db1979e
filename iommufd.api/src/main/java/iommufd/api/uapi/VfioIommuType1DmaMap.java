package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_dma_map} of {@code linux/vfio.h} (Linux 7.3), native byte order. Maps memory of the
 * calling process. Argument of {@code VFIO_IOMMU_MAP_DMA}.
 */
public final class VfioIommuType1DmaMap {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_dma_map";
    /** Request number: {@code _IO(';', 0x71)}. */
    public static final int VFIO_IOMMU_MAP_DMA = 0x3B71;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_DMA_MAP_FLAG_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code vaddr}: start in the process. */
    public static final int VADDR_OFFSET = 8;
    /** {@code iova}: where. */
    public static final int IOVA_OFFSET = 16;
    /** {@code size}: bytes. */
    public static final int SIZE_OFFSET = 24;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code size}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 32;

    /** Devices may read. */
    public static final int VFIO_DMA_MAP_FLAG_READ = 1 << 0;
    /** Devices may write. */
    public static final int VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
    /** Nothing is mapped; the memory of a mapping has moved in the process. */
    public static final int VFIO_DMA_MAP_FLAG_VADDR = 1 << 2;

    private VfioIommuType1DmaMap() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_DMA_MAP_FLAG_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code vaddr}: start in the process. */
    public static long vaddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, VADDR_OFFSET);
    }

    /** Stores {@code vaddr}. */
    public static void vaddr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, VADDR_OFFSET, value);
    }

    /** {@code iova}: where. */
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
