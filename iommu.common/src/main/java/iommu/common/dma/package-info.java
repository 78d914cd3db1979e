/**
 * How DMA goes fast and still never through a stale translation.
 *
 * <p>Each {@link iommu.common.dma.TranslatingPort} has a private {@link iommu.common.dma.Iotlb} and an epoch slot. A request
 * stores its slot (full fence), then reads the sequence of the unit's {@link iommu.common.dma.InvalidationLog} and forgets what
 * was invalidated since its last look. Who invalidates changes tables, publishes to the log (full fence), and waits until every
 * slot is 0 or was stored later. So either the request sees the invalidation, or the invalidator sees the request.
 *
 * <p>Nothing inside an epoch may block, or wait for an invalidation: faults are raised after leaving it.
 */
package iommu.common.dma;
