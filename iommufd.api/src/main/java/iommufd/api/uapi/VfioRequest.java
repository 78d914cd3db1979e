package iommufd.api.uapi;

/**
 * Requests of {@code linux/vfio.h} (Linux 7.3) to containers and groups whose argument is no struct, and the numbers of their
 * arguments. The others stand in the class of their struct.
 */
public final class VfioRequest {
    /** {@code _IO(';', 0x64)}: asks for {@link #VFIO_API_VERSION}. */
    public static final int VFIO_GET_API_VERSION = 0x3B64;
    /** {@code _IO(';', 0x65)}: whether a container knows an extension; the argument is its number. */
    public static final int VFIO_CHECK_EXTENSION = 0x3B65;
    /** {@code _IO(';', 0x66)}: makes a container one of that type; the argument is the extension's number. */
    public static final int VFIO_SET_IOMMU = 0x3B66;
    /** {@code _IO(';', 0x68)}: puts a group into a container; the argument is the address of a descriptor. */
    public static final int VFIO_GROUP_SET_CONTAINER = 0x3B68;
    /** {@code _IO(';', 0x69)}: takes a group out of its container. */
    public static final int VFIO_GROUP_UNSET_CONTAINER = 0x3B69;
    /** {@code _IO(';', 0x6a)}: opens a device of a group; the argument is the address of its name. */
    public static final int VFIO_GROUP_GET_DEVICE_FD = 0x3B6A;

    /** The only version there is. */
    public static final int VFIO_API_VERSION = 0;

    /** Container that unmaps whatever starts in a range. */
    public static final int VFIO_TYPE1_IOMMU = 1;
    /** Container that unmaps only whole mappings. */
    public static final int VFIO_TYPE1V2_IOMMU = 3;
    /** DMA is coherent with the processors' caches. */
    public static final int VFIO_DMA_CC_IOMMU = 4;
    /** Was nested translation; Linux does not know it any more. */
    public static final int VFIO_TYPE1_NESTING_IOMMU = 6;
    /** Container of devices without an IOMMU. */
    public static final int VFIO_NOIOMMU_IOMMU = 8;
    /** {@link VfioIommuType1DmaUnmap#VFIO_DMA_UNMAP_FLAG_ALL}. */
    public static final int VFIO_UNMAP_ALL = 9;
    /** {@link VfioIommuType1DmaUnmap#VFIO_DMA_UNMAP_FLAG_VADDR} and {@link VfioIommuType1DmaMap#VFIO_DMA_MAP_FLAG_VADDR}. */
    public static final int VFIO_UPDATE_VADDR = 10;

    private VfioRequest() {}
}
