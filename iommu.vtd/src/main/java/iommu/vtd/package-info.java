/**
 * Intel VT-d (Virtualization Technology for Directed I/O, rev. 5.10) as an IOMMU backend: {@link iommu.vtd.unit} is the
 * hardware, {@link iommu.vtd.driver} the host driver, {@link iommu.vtd.format} the binary formats both read. Here the two are
 * put together and published.
 */
package iommu.vtd;
