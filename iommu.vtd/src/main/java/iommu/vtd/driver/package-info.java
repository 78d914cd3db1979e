/**
 * What a kernel driver does: the only writer of root, context, PASID and page tables, and of the invalidation queue. It knows
 * the unit as {@link iommu.vtd.format.RegisterAccess} and memory, and implements the hardware SPI with them.
 *
 * <p>Lock order: endpoint, domain, context tables, queue. The unit's own lock comes last; it runs invalidations inside the
 * register write that rings the queue's tail.
 */
package iommu.vtd.driver;
