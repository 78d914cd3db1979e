/** The mock IOMMU: page tables in memory with 2 KiB pages, nested tables and caches that are mere numbers, no DMA. */
package iommu.mock.hardware;
