/**
 * The hardware: an SMMUv3.1 (IHI 0070) with stages 1 and 2 and both, driven by register accesses, structures in memory and DMA
 * requests only.
 *
 * <p>{@link iommu.smmuv3.unit.SmmuUnit} has the registers, {@code CommandConsumer} and {@code EventRecorder} its ends of the
 * queues. Every {@link iommu.smmuv3.unit.SmmuPort} keeps its own copy of its stream's configuration
 * ({@code StreamConfiguration}) and its own IOTLB, and drops from them what {@code SmmuInvalidation} entries of the log name.
 * Pointers out of memory are followed only where memory is: otherwise the event of an external abort is recorded.
 *
 * <p>Locks: the unit's lock (register writes and commands) before the event recorder's or the errors'; none is taken inside a
 * DMA request.
 */
package iommu.smmuv3.unit;
