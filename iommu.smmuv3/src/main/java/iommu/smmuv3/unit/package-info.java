/**
 * The hardware: an SMMUv3 (IHI 0070) driven by register accesses, structures in memory and DMA requests only. What it has is
 * {@link iommu.smmuv3.unit.SmmuFeatures}; all it reaches lies in its {@code SmmuBus}, the host's memory or a guest's.
 *
 * <p>{@link iommu.smmuv3.unit.SmmuUnit} has the registers. {@code CommandQueue} takes commands out of the unit's own queue and of
 * those that guests own, {@code CommandExecutor} carries them out; {@code EventRecorder} and {@code PageRequestRecorder} are its
 * ends of the other queues. Every {@code SmmuPort} keeps its own copy of its stream's configuration ({@code StreamConfiguration})
 * and its own IOTLB, and drops from them what {@code SmmuInvalidation} entries of the log name; of nested walks it remembers where
 * stage 2 has the tables of stage 1, until anything is invalidated. {@code AnsweringPort} is around it
 * where requests may stall; {@code DevicePort} where a device translates by itself. Pointers out of memory are followed only where
 * memory is: otherwise the event of an external abort is recorded.
 *
 * <p>Locks: the unit's lock (register writes, and commands but for their waits) before the monitor of table inspection, and before
 * those of the recorders, the errors and the stalled requests, of which none is held when another is taken but the recorders'
 * before the errors'. None is taken inside a DMA request. Devices, boards and drivers are called, and CMD_SYNC waits, without any.
 */
package iommu.smmuv3.unit;
