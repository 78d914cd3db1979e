/**
 * The hardware: zPCI functions and the translation of their DMA, driven by the instructions of
 * {@link iommu.s390.format.PciInstructions}, by tables in memory and by DMA requests, and by nothing else.
 *
 * <p>{@link iommu.s390.unit.ZpciUnit} executes instructions; a {@link iommu.s390.unit.ZpciFunction} is what one device is to them, and
 * {@link iommu.s390.unit.ZpciPort} is where its requests arrive. Each port caches translations privately. Nothing is cached of an
 * invalid entry, so that an entry that becomes valid needs no refresh; one that becomes invalid, or changes, does.
 *
 * <p>Locks: one per function, taken by instructions and by requests that fail, never inside a request's epoch, and not held while an
 * instruction waits for requests to leave theirs. After it comes the lock of pending events.
 */
package iommu.s390.unit;
