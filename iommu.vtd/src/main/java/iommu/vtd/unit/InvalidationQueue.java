package iommu.vtd.unit;

import static iommu.vtd.format.InvalidationDescriptor.CONTEXT_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.DEVICE_TLB;
import static iommu.vtd.format.InvalidationDescriptor.INTERRUPT_ENTRY_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.IOTLB;
import static iommu.vtd.format.InvalidationDescriptor.PAGE_GROUP_RESPONSE;
import static iommu.vtd.format.InvalidationDescriptor.PASID_CACHE;
import static iommu.vtd.format.InvalidationDescriptor.PASID_DEVICE_TLB;
import static iommu.vtd.format.InvalidationDescriptor.PASID_IOTLB;
import static iommu.vtd.format.InvalidationDescriptor.WAIT;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.InvalidationDescriptor;
import iommu.vtd.format.Registers;
import iommufd.api.FaultResponse;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageResponse;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntSupplier;

/**
 * The unit's end of the invalidation queue (§6.5.2): software owns the tail, {@link #work} the head. Descriptors are executed one
 * after the other, in the order they stand, by one thread at a time: the one that wrote the tail. It holds the unit's lock, but not
 * while it waits for requests to end, or while a device answers.
 */
final class InvalidationQueue {
    /** Not one of the errors of {@link Registers#IQERCD}: the descriptor stays where it is. */
    private static final int STAY = -1;

    private final ReentrantLock lock;
    private final Condition idle;
    private final RegisterFile registers;
    private final VtdFeatures features;
    private final FaultRecorder faults;
    private final Invalidator invalidator;
    private final DeviceTlbs deviceTlbs;
    private final EventInterrupt event;
    private final KnownMemory memory;
    /** Who executes; null if nobody does. Guarded by the lock, as the rest. */
    private Thread worker;
    /** Changes when the queue starts over: who waited without the lock must not go on. */
    private int generation;

    InvalidationQueue(ReentrantLock lock, RegisterFile registers, VtdFeatures features, FaultRecorder faults, Invalidator invalidator,
            DeviceTlbs deviceTlbs, KnownMemory memory) {
        this.lock = lock;
        idle = lock.newCondition();
        this.registers = registers;
        this.features = features;
        this.faults = faults;
        this.invalidator = invalidator;
        this.deviceTlbs = deviceTlbs;
        this.memory = memory;
        if (!features.has(VtdFeature.QUEUED_INVALIDATION)) {
            event = EventInterrupt.absent(registers, Registers.IECTL);
            return;
        }
        registers.define64(Registers.IQT, 0, Registers.QUEUE_OFFSET, 0);
        registers.define64(Registers.IQA, 0, HostAddress.PAGE | Registers.QUEUE_WIDE | Registers.QUEUE_SIZE, 0);
        registers.define32(Registers.ICS, 0, 0, Registers.WAIT_COMPLETED);
        event = new EventInterrupt(registers, Registers.IECTL);
    }

    EventInterrupt event() {
        return event;
    }

    /** Queued invalidation was switched on or off, or the unit was reset. */
    void restart() {
        generation++;
        registers.put64(Registers.IQH, 0);
    }

    /**
     * Executes everything up to the tail, or up to the first error. Without the lock.
     *
     * @param limit how many descriptors at most
     * @param tableMode the one in force, asked for before each
     * @return whether more are waiting
     */
    boolean work(int limit, IntSupplier tableMode) {
        lock.lock();
        try {
            if (worker == Thread.currentThread()) {
                return false;   // a device that is asked something writes registers: the loop below it goes on
            }
            while (worker != null) {
                idle.awaitUninterruptibly();
            }
            worker = Thread.currentThread();
            return run(limit, tableMode);
        } finally {
            lock.unlock();
        }
    }

    private boolean run(int limit, IntSupplier tableMode) {
        try {
            for (int executed = 0; executed < limit; executed++) {
                if (!next(tableMode.getAsInt())) {
                    return false;
                }
            }
            return runs() && registers.get64(Registers.IQH) != registers.get64(Registers.IQT);
        } finally {
            worker = null;
            idle.signalAll();
        }
    }

    private boolean runs() {
        return (registers.get32(Registers.GSTS) & Registers.COMMAND_QUEUED_INVALIDATION) != 0
                && (registers.get32(Registers.FSTS) & (Registers.FAULT_QUEUE_ERROR | Registers.FAULT_TIMEOUT)) == 0;
    }

    /** @return whether a descriptor was executed */
    private boolean next(int tableMode) {
        long tail = registers.get64(Registers.IQT);
        long head = registers.get64(Registers.IQH);
        if (!runs() || head == tail) {
            return false;
        }
        long address = registers.get64(Registers.IQA);
        boolean wide = (address & Registers.QUEUE_WIDE) != 0;
        long queueBytes = 4096L << (address & Registers.QUEUE_SIZE);
        int began = generation;
        int error = geometryError(tableMode, wide, tail, queueBytes);
        if (error == 0) {
            error = execute((address & HostAddress.PAGE) + (head & queueBytes - 1), wide, tableMode);
        }
        if (error > 0) {
            registers.put64(Registers.IQERCD, registers.get64(Registers.IQERCD) & ~0xFL | error);
            faults.condition(Registers.FAULT_QUEUE_ERROR);
        } else if (error == 0 && began == generation) {
            registers.put64(Registers.IQH,
                    head + (wide ? InvalidationDescriptor.WIDE_BYTES : InvalidationDescriptor.BYTES) & queueBytes - 1);
            return true;
        }
        return false;
    }

    private int geometryError(int tableMode, boolean wide, long tail, long queueBytes) {
        if (wide && (tail & InvalidationDescriptor.BYTES) != 0) {
            return Registers.QUEUE_MISALIGNED_TAIL;
        }
        if (tail >= queueBytes) {
            return Registers.QUEUE_BAD_TAIL;
        }
        boolean canBeWide = features.scalable() || features.has(VtdFeature.ABORT_DMA);
        return switch (tableMode) {
            case Registers.LEGACY_MODE -> wide && !canBeWide ? Registers.QUEUE_BAD_WIDTH : 0;
            case Registers.SCALABLE_MODE -> !features.scalable() ? Registers.QUEUE_BAD_TABLE_MODE
                    : wide ? 0 : Registers.QUEUE_BAD_WIDTH;
            case Registers.ABORT_DMA_MODE -> !features.has(VtdFeature.ABORT_DMA) ? Registers.QUEUE_BAD_TABLE_MODE
                    : wide ? 0 : Registers.QUEUE_BAD_WIDTH;
            default -> Registers.QUEUE_BAD_TABLE_MODE;
        };
    }

    /** @return 0, {@link #STAY}, or one of the errors of {@link Registers#IQERCD} */
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
                || wide && (PhysicalWords.get(descriptor + 16) | PhysicalWords.get(descriptor + 24)) != 0
                || type == WAIT && (first & InvalidationDescriptor.WAIT_PAGE_REQUESTS) != 0
                        && !features.has(VtdFeature.PAGE_REQUEST_DRAIN)) {
            return Registers.QUEUE_RESERVED_FIELD;
        }
        int domainId = features.domain(InvalidationDescriptor.domainId(first));
        return switch (type) {
            case CONTEXT_CACHE -> valid(invalidator.contextCache(InvalidationDescriptor.granularity(first), domainId,
                    InvalidationDescriptor.sourceId(first), InvalidationDescriptor.functionMask(first)));
            case IOTLB -> valid(invalidator.iotlb(InvalidationDescriptor.granularity(first), domainId,
                    second & InvalidationDescriptor.ADDRESS, (int) second & InvalidationDescriptor.ADDRESS_MASK));
            case PASID_IOTLB -> valid(invalidator.pasidIotlb(InvalidationDescriptor.granularity(first), domainId,
                    InvalidationDescriptor.pasid(first), second & InvalidationDescriptor.ADDRESS,
                    (int) second & InvalidationDescriptor.ADDRESS_MASK));
            case PASID_CACHE -> valid(invalidator.pasidCache(InvalidationDescriptor.granularity(first), domainId,
                    InvalidationDescriptor.pasid(first)));
            case DEVICE_TLB -> deviceTlb(type, InvalidationDescriptor.sourceId(first), Pasid.NONE, second, false);
            case PASID_DEVICE_TLB -> deviceTlb(type, InvalidationDescriptor.requesterId(first), InvalidationDescriptor.pasid(first), second,
                    (second & InvalidationDescriptor.ALL_PASIDS) != 0);
            case PAGE_GROUP_RESPONSE -> respond(first, second);
            case WAIT -> complete(first, second);
            default -> 0;   // INTERRUPT_ENTRY_CACHE: there is none, and every wait drains interrupts
        };
    }

    private static int valid(boolean granularity) {
        return granularity ? 0 : Registers.QUEUE_RESERVED_FIELD;
    }

    /** Table 26, without the types of features that are not there. */
    private boolean known(int type, int tableMode) {
        boolean wideMode = tableMode != Registers.LEGACY_MODE;
        return switch (type) {
            case CONTEXT_CACHE, IOTLB, INTERRUPT_ENTRY_CACHE, WAIT -> true;
            case DEVICE_TLB -> features.has(VtdFeature.DEVICE_TLB);
            case PASID_IOTLB, PASID_CACHE -> wideMode;
            case PASID_DEVICE_TLB -> features.has(VtdFeature.DEVICE_TLB) && wideMode;
            case PAGE_GROUP_RESPONSE -> features.has(VtdFeature.PAGE_REQUESTS) && wideMode;
            default -> false;
        };
    }

    /** The descriptor itself is done with if the device does not answer; those behind it wait until software has cleared the error. */
    private int deviceTlb(int type, int sourceId, int pasid, long range, boolean global) {
        long lengthBytes = InvalidationDescriptor.rangeBytes(type, range);
        long iova = lengthBytes == 0 ? 0 : range & InvalidationDescriptor.ADDRESS & -lengthBytes;
        boolean answered;
        lock.unlock();
        try {
            answered = deviceTlbs.invalidate(sourceId, pasid, iova, lengthBytes, global);
        } finally {
            lock.lock();
        }
        if (!answered) {
            long record = registers.get64(Registers.IQERCD) & ~(0xFFFFL << Registers.QUEUE_TIMEOUT_SOURCE_SHIFT);
            registers.put64(Registers.IQERCD, record | (long) sourceId << Registers.QUEUE_TIMEOUT_SOURCE_SHIFT);
            faults.condition(Registers.FAULT_TIMEOUT);
        }
        return 0;
    }

    private int respond(long first, long second) {
        PageResponse response = new PageResponse(InvalidationDescriptor.hasPasid(first) ? InvalidationDescriptor.pasid(first) : Pasid.NONE,
                InvalidationDescriptor.pageGroup(second),
                InvalidationDescriptor.responseCode(first) == 0 ? FaultResponse.SUCCESS : FaultResponse.INVALID);
        lock.unlock();
        try {
            deviceTlbs.respond(InvalidationDescriptor.requesterId(first), response);
        } finally {
            lock.lock();
        }
        return 0;
    }

    /** The status write comes before the event, so that whoever takes the event sees it. */
    private int complete(long first, long second) {
        int began = generation;
        boolean drained;
        lock.unlock();
        try {
            drained = invalidator.drain();
        } finally {
            lock.lock();
        }
        if (began != generation) {
            return STAY;
        }
        if (!drained) {
            faults.condition(Registers.FAULT_TIMEOUT);
            return STAY;
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
        return 0;
    }
}
