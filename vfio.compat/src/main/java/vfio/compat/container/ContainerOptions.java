package vfio.compat.container;

/**
 * What can be chosen about containers.
 *
 * @param entryLimit most mappings of a container
 * @param noIommu whether containers say that they know devices without an IOMMU; there are none here
 */
public record ContainerOptions(int entryLimit, boolean noIommu) {
    /** 65535, no. */
    public static final ContainerOptions DEFAULT = new ContainerOptions(65535, false);
}
