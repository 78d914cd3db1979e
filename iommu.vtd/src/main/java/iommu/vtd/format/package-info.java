/**
 * The binary formats of Intel VT-d as named numbers (Intel Virtualization Technology for Directed I/O, rev. 5.10): registers,
 * translation structures, paging entries, invalidation descriptors, fault records. All structures are little-endian. No
 * algorithms: the unit and its driver both read this page, and share nothing else.
 */
package iommu.vtd.format;
