/**
 * The hardware: a VT-d remapping unit, driven by register accesses, structures in memory and DMA requests, and by nothing else.
 *
 * <p>{@link iommu.vtd.unit.VtdUnit} is the register page. {@link iommu.vtd.unit.VtdPort} is where requests arrive, and
 * {@link iommu.vtd.unit.VtdAtsPort} where those of devices do that translate by themselves; each port caches its context entry, PASID
 * entry and translations privately, tagged as §6.2.1 says, and drops of them what the unit's invalidations cover. Of a nested walk it
 * remembers where the second stage has the guest's tables, until anything is invalidated. Negative caching there is with CM = 1 only.
 * All memory is reached through the unit's {@link iommufd.api.memory.MemoryMap}.
 *
 * <p>Locks: one per unit, taken by register writes and by fault recording, never inside a request's epoch. Commands may hold it while
 * they wait for requests to leave their epochs, which these do without it; the invalidation queue gives it up while it waits, or while
 * a device is asked. An interrupt holds a gate until it has been delivered; who waits for the gate does not hold the lock.
 */
package iommu.vtd.unit;
