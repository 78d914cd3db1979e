/**
 * Arm SMMUv3 (IHI 0070) in numbers: registers, structures in memory, commands and events, as named offsets and masks. Unit and
 * driver share nothing else. Everything is little-endian.
 */
package iommu.smmuv3.format;
