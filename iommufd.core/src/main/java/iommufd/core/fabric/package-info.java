/**
 * Where devices meet hardware: endpoints and ports that stay while IOMMU hardware comes, goes and breaks, and everything that
 * lives on hardware and moves with it.
 *
 * <p>Locks, outermost first: {@link iommufd.core.fabric.HardwareRack#topology()} (read: one control call; write: endpoints
 * change hardware), a context's lock, a table's dirty lock, an address space's locks, an endpoint's lock. A DMA request takes
 * none of them unless its endpoint is gated.
 */
package iommufd.core.fabric;
