/** What hardware units are built of: registers, and 64-bit words in physical memory. */
package iommu.common.unit;
