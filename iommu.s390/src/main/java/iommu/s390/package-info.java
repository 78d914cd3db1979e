/**
 * IBM Z's zPCI as an IOMMU backend: {@link iommu.s390.unit} is the hardware, {@link iommu.s390.driver} the host driver,
 * {@link iommu.s390.format} the binary formats both read. Here the two are put together and published, and the hardware alone, for
 * guests.
 */
package iommu.s390;
