package vfio.compat;

/** Requests, numbers and offsets of {@code include/uapi/linux/vfio.h} (Linux 7.3) for type 1. */
final class Type1Structs {
    static final int GET_API_VERSION = 0x3B64;
    static final int CHECK_EXTENSION = 0x3B65;
    static final int SET_IOMMU = 0x3B66;
    static final int IOMMU_GET_INFO = 0x3B70;
    static final int IOMMU_MAP_DMA = 0x3B71;
    static final int IOMMU_UNMAP_DMA = 0x3B72;

    /** VFIO_API_VERSION. */
    static final int API_VERSION = 0;

    /** VFIO_TYPE1_IOMMU and the other names of CHECK_EXTENSION. */
    static final int TYPE1 = 1;
    static final int TYPE1V2 = 3;
    static final int DMA_CC = 4;
    static final int UNMAP_ALL = 9;

    /** Every struct begins with its size and its flags. */
    static final int ARGSZ = 0;
    static final int FLAGS = 4;

    static final int MAP_BYTES = 32;
    static final int MAP_VADDR = 8;
    static final int MAP_IOVA = 16;
    static final int MAP_SIZE = 24;
    /** VFIO_DMA_MAP_FLAG_READ and …_WRITE are the bits of {@link iommufd.api.DmaAccess}. */
    static final int MAP_FLAGS = 3;

    static final int UNMAP_BYTES = 24;
    static final int UNMAP_IOVA = 8;
    static final int UNMAP_SIZE = 16;
    /** VFIO_DMA_UNMAP_FLAG_ALL. */
    static final int UNMAP_FLAG_ALL = 1 << 1;

    static final int INFO_BYTES = 24;
    /** Through iova_pgsizes. */
    static final int INFO_MIN_BYTES = 16;
    static final int INFO_PAGE_SIZES = 8;
    static final int INFO_CAP_OFFSET = 16;
    /** VFIO_IOMMU_INFO_PGSIZES. */
    static final int INFO_FLAG_PAGE_SIZES = 1;
    /** VFIO_IOMMU_INFO_CAPS. */
    static final int INFO_FLAG_CAPS = 1 << 1;

    /** struct vfio_info_cap_header: {u16 id, version; u32 next}. */
    static final int CAP_VERSION = 2;
    static final int CAP_NEXT = 4;
    static final int CAP_HEADER_BYTES = 8;
    /** VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE: header, {u32 nr_iovas, reserved}, {u64 start, end}…. */
    static final short CAP_IOVA_RANGE = 1;
    static final int CAP_IOVA_RANGE_BYTES = 16;
    static final int IOVA_RANGE_BYTES = 16;
    /** VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL: header, {u32 avail}. */
    static final short CAP_DMA_AVAIL = 3;
    static final int CAP_DMA_AVAIL_BYTES = 12;

    private Type1Structs() {}
}
