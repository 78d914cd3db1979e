/**
 * VFIO's container interface (type 1 and type 1 v2) on an open {@code /dev/iommu}, as Linux 7.3 has it
 * ({@code drivers/iommu/iommufd/vfio_compat.c}, {@code include/uapi/linux/vfio.h}): what it maps and unmaps is the IOAS set by
 * {@code IOMMU_VFIO_IOAS}.
 */
package vfio.compat;
