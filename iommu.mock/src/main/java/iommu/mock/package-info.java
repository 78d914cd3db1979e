/**
 * The mock IOMMU of Linux's iommufd selftests (Linux 7.3, {@code drivers/iommu/iommufd/selftest.c}, {@code iommufd_test.h}):
 * {@link iommu.mock.hardware} is an IOMMU that keeps true page tables but moves no byte, {@link iommu.mock.command} serves
 * {@code IOMMU_TEST_CMD}, by which the selftests make devices behind it and look at what the engine did. For conformance runs
 * only: it lets clients see physical identity and pins.
 */
package iommu.mock;
