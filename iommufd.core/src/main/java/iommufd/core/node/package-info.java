/**
 * {@code /dev/iommu}: the ioctls of Linux 7.3's iommufd ({@code drivers/iommu/iommufd}) over an engine, request by request with
 * Linux's order of checks, because clients see which of several errors they get. How clients are reached is not known here.
 */
package iommufd.core.node;
