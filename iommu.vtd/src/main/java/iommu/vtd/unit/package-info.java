/**
 * The hardware: a VT-d remapping unit, driven by register accesses, structures in memory and DMA requests, and by nothing else.
 *
 * <p>{@link iommu.vtd.unit.VtdUnit} is the register page. {@link iommu.vtd.unit.VtdPort} is where requests arrive; each port
 * caches its context entry, PASID entry and translations privately, tagged as §6.2.1 says, and drops of them what the unit's
 * invalidations cover. There are no paging-structure caches and no negative caching (CM = 0).
 *
 * <p>Locks: one per unit, taken by register writes and by fault recording, never inside a request's epoch. It may be held while
 * waiting for requests to leave their epochs, which they do without it.
 */
package iommu.vtd.unit;
