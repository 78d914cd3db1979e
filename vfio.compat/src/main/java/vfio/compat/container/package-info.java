/**
 * {@code /dev/vfio/vfio}: containers of type 1, with the rules of Linux 7.3's {@code drivers/vfio/container.c} and
 * {@code vfio_iommu_type1.c}, in the same order of checks. Behind each is a context of iommufd with one address space.
 *
 * <p>Lock order: container, type 1, then what claims of groups and the context lock themselves.
 */
package vfio.compat.container;
