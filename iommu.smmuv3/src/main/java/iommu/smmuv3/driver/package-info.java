/**
 * What a kernel's driver does: the only writer of stream table entries, context descriptors, page tables and commands. It knows
 * the unit as {@link iommu.smmuv3.format.RegisterAccess} and as memory.
 *
 * <p>Nothing that lets requests pass is ever taken down to be replaced. A change of one word is one store. A change of several
 * words goes into a copy of the 4 KiB leaf around the entry, and one store of the pointer to the leaf switches over: hardware
 * sees the entry before or after, never between. Only then are caches invalidated and the old leaf is reused.
 *
 * <p>Locks: an endpoint's, then the stream table's, then the command queue's. The event reader takes none of them.
 */
package iommu.smmuv3.driver;
