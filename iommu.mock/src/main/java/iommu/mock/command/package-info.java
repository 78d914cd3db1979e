/**
 * {@code IOMMU_TEST_CMD} (Linux 7.3, {@code iommufd_test.h}): makes mock devices, accesses and dmabufs, and looks at what the engine
 * did with them. Random IOVAs for syzkaller ({@code MOCK_FLAGS_ACCESS_SYZ}) are not served.
 */
package iommu.mock.command;
