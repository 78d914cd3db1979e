/**
 * Arm SMMUv3 as a backend: {@link iommu.smmuv3.Smmuv3Backend} puts the hardware (unit) and what a kernel would do with it
 * (driver) together, {@link iommu.smmuv3.Smmuv3Iommu} makes a service of it.
 */
package iommu.smmuv3;
