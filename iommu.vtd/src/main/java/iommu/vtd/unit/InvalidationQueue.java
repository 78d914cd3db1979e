package iommu.vtd.unit;

import static iommu.vtd.format.InvalidationDescriptor.CONTEXT_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.DEVICE_TLB;
import static iommu.vtd.format.InvalidationDescriptor.INTERRUPT_ENTRY_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.IOTLB;
import static iommu.vtd.format.InvalidationDescriptor.PASID_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.PASID_DEVICE_TLB;
import static iommu.vtd.format.InvalidationDescriptor.PASID_IOTLB;
import static iommu.vtd.format.InvalidationDescriptor.WAIT;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.InvalidationDescriptor;
import iommu.vtd.format.Registers;

/**
 * The unit's end of the invalidation queue (§6.5.2): software owns the tail, {@link #drain} the head. Descriptors are executed
 * one after the other, in the order they stand. Guarded by the unit's lock.
 */
final class InvalidationQueue {
    private final RegisterFile registers;
    private final VtdFeatures features;
    private final FaultRecorder faults;
    private final Invalidator invalidator;
    private final EventInterrupt event;
    private final KnownMemory memory;

    InvalidationQueue(RegisterFile registers, VtdFeatures features, FaultRecorder faults, Invalidator invalidator,
            KnownMemory memory) {
        this.registers = registers;
        this.features = features;
        this.faults = faults;
        this.invalidator = invalidator;
        this.memory = memory;
        registers.define64(Registers.IQT, 0, Registers.QUEUE_OFFSET, 0);
        registers.define64(Registers.IQA, 0, HostAddress.PAGE | Registers.QUEUE_WIDE | Registers.QUEUE_SIZE, 0);
        registers.define32(Registers.ICS, 0, 0, Registers.WAIT_COMPLETED);
        event = new EventInterrupt(registers, Registers.IECTL);
    }

    EventInterrupt event() {
        return event;
    }

    /** Queued invalidation was switched on or off. */
    void restart() {
        registers.put64(Registers.IQH, 0);
    }

    /** Executes everything up to the tail, or up to the first error: at most one lap, since the tail is checked first. */
    void drain(int tableMode) {
        if ((registers.get32(Registers.FSTS) & (Registers.FAULT_QUEUE_ERROR | Registers.FAULT_TIMEOUT)) != 0) {
            return;
        }
        long tail = registers.get64(Registers.IQT);
        long head = registers.get64(Registers.IQH);
        if (head == tail) {
            return;
        }
        long address = registers.get64(Registers.IQA);
        boolean wide = (address & Registers.QUEUE_WIDE) != 0;
        long queueBytes = 4096L << (address & Registers.QUEUE_SIZE);
        int error = geometryError(tableMode, wide, tail, queueBytes);
        if (error != 0) {
            stop(error);
            return;
        }
        long base = address & HostAddress.PAGE;
        int step = wide ? InvalidationDescriptor.WIDE_BYTES : InvalidationDescriptor.BYTES;
        while (head != tail) {
            error = execute(base + head, wide, tableMode);
            if (error != 0) {
                stop(error);
                return;
            }
            if ((registers.get32(Registers.FSTS) & Registers.FAULT_TIMEOUT) != 0) {
                return;
            }
            head = head + step & queueBytes - 1;
            registers.put64(Registers.IQH, head);
        }
    }

    private int geometryError(int tableMode, boolean wide, long tail, long queueBytes) {
        if (wide && (tail & InvalidationDescriptor.BYTES) != 0) {
            return Registers.QUEUE_MISALIGNED_TAIL;
        }
        if (tail >= queueBytes) {
            return Registers.QUEUE_BAD_TAIL;
        }
        return switch (tableMode) {
            case Registers.LEGACY_MODE -> 0;
            case Registers.SCALABLE_MODE -> !features.scalable() ? Registers.QUEUE_BAD_TABLE_MODE
                    : wide ? 0 : Registers.QUEUE_BAD_WIDTH;
            case Registers.ABORT_DMA_MODE -> wide ? 0 : Registers.QUEUE_BAD_WIDTH;
            default -> Registers.QUEUE_BAD_TABLE_MODE;
        };
    }

    private void stop(int error) {
        registers.put64(Registers.IQERCD, registers.get64(Registers.IQERCD) & ~0xFL | error);
        faults.condition(Registers.FAULT_QUEUE_ERROR);
    }

    /** @return 0 or one of the errors of {@link Registers#IQERCD} */
    private int execute(long address, boolean wide, int tableMode) {
        long descriptor = memory.locate(address);
        if (descriptor < 0) {
            return Registers.QUEUE_FETCH_FAILED;
        }
        long first = PhysicalWords.get(descriptor);
        long second = PhysicalWords.get(descriptor + 8);
        int type = InvalidationDescriptor.type(first);
        if (!known(type, tableMode)) {
            return Registers.QUEUE_BAD_TYPE;
        }
        if (InvalidationDescriptor.reservedBits(type, first, second)
                || wide && (PhysicalWords.get(descriptor + 16) | PhysicalWords.get(descriptor + 24)) != 0) {
            return Registers.QUEUE_RESERVED_FIELD;
        }
        boolean valid = switch (type) {
            case CONTEXT_CACHE -> invalidator.contextCache(InvalidationDescriptor.granularity(first),
                    InvalidationDescriptor.domainId(first), InvalidationDescriptor.sourceId(first),
                    InvalidationDescriptor.functionMask(first));
            case IOTLB -> invalidator.iotlb(InvalidationDescriptor.granularity(first),
                    InvalidationDescriptor.domainId(first), second & InvalidationDescriptor.ADDRESS,
                    (int) second & InvalidationDescriptor.ADDRESS_MASK);
            case PASID_IOTLB -> invalidator.pasidIotlb(InvalidationDescriptor.granularity(first),
                    InvalidationDescriptor.domainId(first), InvalidationDescriptor.pasid(first),
                    second & InvalidationDescriptor.ADDRESS, (int) second & InvalidationDescriptor.ADDRESS_MASK);
            case PASID_CACHE -> invalidator.pasidCache(InvalidationDescriptor.granularity(first),
                    InvalidationDescriptor.domainId(first), InvalidationDescriptor.pasid(first));
            case WAIT -> {
                complete(first, second);
                yield true;
            }
            default -> true;   // no device-TLB and no interrupt entry is cached anywhere
        };
        return valid ? 0 : Registers.QUEUE_RESERVED_FIELD;
    }

    /** Table 26, without the types of features that are not there. */
    private boolean known(int type, int tableMode) {
        return switch (type) {
            case CONTEXT_CACHE, IOTLB, INTERRUPT_ENTRY_CACHE, WAIT -> true;
            case DEVICE_TLB -> features.has(VtdFeature.DEVICE_TLB);
            case PASID_IOTLB, PASID_CACHE -> tableMode != Registers.LEGACY_MODE;
            case PASID_DEVICE_TLB -> features.has(VtdFeature.DEVICE_TLB) && tableMode != Registers.LEGACY_MODE;
            default -> false;
        };
    }

    /** The status write comes before the event, so that whoever takes the event sees it. */
    private void complete(long first, long second) {
        if (!invalidator.drain()) {
            faults.condition(Registers.FAULT_TIMEOUT);
            return;
        }
        if ((first & InvalidationDescriptor.WAIT_STATUS) != 0) {
            long status = memory.locate(second & ~HostAddress.RESERVED);
            if (status >= 0) {
                PhysicalWords.setInt(status, InvalidationDescriptor.statusData(first));
            }
        }
        if ((first & InvalidationDescriptor.WAIT_INTERRUPT) != 0
                && (registers.get32(Registers.ICS) & Registers.WAIT_COMPLETED) == 0) {
            registers.put32(Registers.ICS, Registers.WAIT_COMPLETED);
            event.raise();
        }
    }
}
