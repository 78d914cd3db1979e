package iommu.vtd.unit;

import iommu.common.dma.FarPath;
import iommu.common.dma.InvalidationLog;
import iommu.common.dma.PendingPages;
import iommu.common.unit.InterruptHandling;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.memory.MemoryMap;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntSupplier;

/**
 * A VT-d remapping unit as software and devices see it: a page of registers (§11), and ports for DMA requests. Commands complete
 * before the register write that gives them returns; of an invalidation queue that is longer than {@link #DESCRIPTORS_PER_WRITE}
 * the rest is done by a thread that lives as long as there is a rest. Thread-safe.
 */
public final class VtdUnit implements RegisterAccess {
    /** Descriptors that a write to a register executes at most: what a guest queues must not keep the thread that writes. */
    static final int DESCRIPTORS_PER_WRITE = 1024;

    private static final long DRAIN_NANOS = 5_000_000_000L;
    /** Bits of the global status that a command sets or clears for as long as it stands. */
    private static final int STANDING = Registers.COMMAND_TRANSLATION | Registers.COMMAND_QUEUED_INVALIDATION;

    private final ReentrantLock lock = new ReentrantLock();
    private final String name;
    private final VtdFeatures features;
    private final ReservedBits reservedBits;
    private final MemoryMap memory;
    private final DirtyMarkSink dirtyMarks;
    private final MessageSink messages;
    private final Optional<MessageSink> deviceMessages;
    private final RegisterFile registers = new RegisterFile(Registers.PAGE_BYTES);
    private final InvalidationLog invalidations = new InvalidationLog();
    private final FarPath farPath = new FarPath();
    private final long drainNanos;
    private final Invalidator invalidator;
    private final RegisterInvalidation registerInvalidation;
    private final FaultRecorder faults;
    private final InvalidationQueue queue;
    private final InterruptHandling queueWork;
    private final PageRequestQueue pageRequests;
    private final InterruptRemapper interrupts;
    private final ProtectedMemory protectedMemory;
    private final DeviceTlbs deviceTlbs = new DeviceTlbs();
    private volatile Translation translation = Translation.RESET;
    private final IntSupplier tableMode = () -> translation().tableMode();
    /** The queue may have to be looked at. Guarded by the lock. */
    private boolean queueDue;
    /** Interrupts of the former setting may be under way. Guarded by the lock. */
    private boolean interruptsDue;

    /**
     * A unit of the host after reset. Devices' interrupts are no business of it: DMA to the interrupt range is refused.
     *
     * @param name for people, in fault descriptions
     * @param dirtyMarks learns of dirty bits the unit sets
     * @param messages where its interrupts go
     */
    public VtdUnit(String name, VtdFeatures features, DirtyMarkSink dirtyMarks, MessageSink messages) {
        this(name, features, MemoryMap.HOST, dirtyMarks, messages, Optional.empty(), DRAIN_NANOS);
    }

    /**
     * A unit in front of a guest after reset.
     *
     * @param memory all it reaches; every address that it is given or finds in tables is one of this map
     * @param messages where its interrupts go, and those of devices
     */
    public VtdUnit(String name, VtdFeatures features, MemoryMap memory, MessageSink messages) {
        this(name, features, memory, entry -> { }, messages, Optional.of(messages), DRAIN_NANOS);
    }

    /** @param drainNanos how long requests may be inside before an invalidation times out */
    VtdUnit(String name, VtdFeatures features, MemoryMap memory, DirtyMarkSink dirtyMarks, MessageSink messages,
            Optional<MessageSink> deviceMessages, long drainNanos) {
        this.name = name;
        this.features = features;
        this.memory = memory;
        this.dirtyMarks = dirtyMarks;
        this.messages = messages;
        this.deviceMessages = deviceMessages;
        this.drainNanos = drainNanos;
        reservedBits = features.reservedBits();
        registers.define32(Registers.VER, VtdFeatures.VERSION, 0, 0);
        registers.define64(Registers.CAP, features.capability(), 0, 0);
        registers.define64(Registers.ECAP, features.extendedCapability(), 0, 0);
        registers.define64(Registers.RTADDR, 0, HostAddress.PAGE | 3L << Registers.TABLE_MODE_SHIFT, 0);
        KnownMemory tables = new KnownMemory(memory);
        interrupts = new InterruptRemapper(registers, features, tables);
        invalidator = new Invalidator(invalidations, features, interrupts, drainNanos);
        registerInvalidation = new RegisterInvalidation(registers, features, invalidator);
        faults = new FaultRecorder(registers, features);
        queue = new InvalidationQueue(lock, registers, features, faults, invalidator, deviceTlbs, tables);
        queueWork = new InterruptHandling(name + "-invalidations", this::workQueue);
        pageRequests = new PageRequestQueue(registers, features, tables);
        protectedMemory = new ProtectedMemory(registers, features);
    }

    /** As if power had gone and come; ports stay open. */
    public void reset() {
        lock.lock();
        try {
            registers.reset();
            translation = Translation.RESET;
            faults.restart();
            faults.event().reset();
            queue.restart();
            queue.event().reset();
            pageRequests.event().reset();
            interrupts.reset();
            protectedMemory.reset();
            invalidator.everything();
        } finally {
            lock.unlock();
        }
        interrupts.drain(drainNanos);
    }

    /** Its end; ports are closed. */
    public void close() {
        reset();
        queueWork.close();
    }

    /** How its requests reach memory behind the physical window. */
    public FarPath farPath() {
        return farPath;
    }

    /**
     * A port for one queue of a device.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}
     */
    public VtdPort openPort(RequesterId requester, int pasid) {
        return openPort(requester, pasid, false);
    }

    /** As {@link #openPort(RequesterId, int)}. @param privileged whether requests with PASID ask for supervisor privilege */
    public VtdPort openPort(RequesterId requester, int pasid, boolean privileged) {
        VtdPort port = new VtdPort(this, requester, pasid, privileged);
        port.open();
        return port;
    }

    /** As {@link #openPort(RequesterId, int)}, for a device with a device-TLB. */
    public VtdAtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        VtdAtsPort port = new VtdAtsPort(this, requester, pasid, false, device);
        port.open();
        deviceTlbs.add(port);
        return port;
    }

    /** As {@link #openPort(RequesterId, int)}, for a device that asks for absent pages (PRI) and waits for them. */
    public VtdPort openWaitingPort(RequesterId requester, int pasid, PendingPages pages) {
        return openAtsPort(requester, pasid, new WaitingDevice(pages));
    }

    @Override
    public long read(int offset, int bytes) {
        if (!accessible(offset, bytes)) {
            return 0;
        }
        return bytes == Long.BYTES ? registers.get64(offset) : Integer.toUnsignedLong(registers.get32(offset));
    }

    @Override
    public void write(int offset, int bytes, long value) {
        if (!accessible(offset, bytes)) {
            return;
        }
        boolean work;
        boolean drain;
        lock.lock();
        try {
            if (bytes == Long.BYTES) {
                // A quad-word may be taken as two double-words, the lower one first (§11.2); commands sit in the upper one.
                write32(offset, (int) value);
                write32(offset + 4, (int) (value >>> 32));
            } else {
                write32(offset, (int) value);
            }
            work = queueDue;
            drain = interruptsDue;
            queueDue = false;
            interruptsDue = false;
        } finally {
            lock.unlock();
        }
        if (drain) {
            interrupts.drain(drainNanos);
        }
        if (work) {
            queueWork.raised();
        }
        sendMessages();
    }

    private boolean workQueue() {
        boolean more = queue.work(DESCRIPTORS_PER_WRITE, tableMode);
        sendMessages();
        return more;
    }

    private static boolean accessible(int offset, int bytes) {
        return (bytes == 4 || bytes == 8) && offset >= 0 && (offset & bytes - 1) == 0 && offset + bytes <= Registers.PAGE_BYTES;
    }

    private void write32(int offset, int value) {
        if (offset == Registers.GCMD) {
            command(value);
            return;
        }
        int before = registers.get32(offset);
        int stored = registers.write32(offset, value);
        switch (offset) {
            case Registers.IQT -> queueDue = true;
            case Registers.FSTS -> {
                faults.cleared();
                queueDue |= before != stored;
            }
            case Registers.FECTL -> faults.event().maskChanged();
            case Registers.IECTL -> queue.event().maskChanged();
            case Registers.PECTL -> pageRequests.event().maskChanged();
            case Registers.ICS -> {
                if (stored == 0) {
                    queue.event().serviced();
                }
            }
            case Registers.PRS -> pageRequests.serviced();
            case Registers.PMEN -> {
                if (protectedMemory.written()) {
                    invalidator.everything();
                    protectedMemory.settled();
                }
            }
            case Registers.CCMD + 4 -> registerInvalidation.contextCommand(translation.tableMode());
            case RegisterInvalidation.IOTLB + 4 -> registerInvalidation.iotlbCommand(translation.tableMode());
            default -> {
                if (faults.isFaultBit(offset)) {
                    faults.cleared();
                }
            }
        }
    }

    /** One bit changes per command, as §11.4.4.1 asks of software; if more do, tables come first and the enable of DMA remapping last. */
    private void command(int value) {
        int before = registers.get32(Registers.GSTS);
        int status = interrupts.command(value, before);
        interruptsDue |= status != before;
        int changeable = (features.has(VtdFeature.DMA_TRANSLATION) ? Registers.COMMAND_TRANSLATION : 0)
                | (features.has(VtdFeature.QUEUED_INVALIDATION) ? Registers.COMMAND_QUEUED_INVALIDATION : 0);
        int changed = (status ^ value) & STANDING & changeable;
        if ((value & Registers.COMMAND_SET_ROOT_TABLE) != 0) {
            long root = registers.get64(Registers.RTADDR);
            translation = new Translation(translation.enabled(), (int) (root >>> Registers.TABLE_MODE_SHIFT) & 3,
                    root & HostAddress.PAGE);
            if (features.has(VtdFeature.ENHANCED_SET_ROOT)) {
                invalidator.everything();
            }
            status |= Registers.COMMAND_SET_ROOT_TABLE;
        }
        if ((changed & Registers.COMMAND_QUEUED_INVALIDATION) != 0) {
            queue.restart();
            status ^= Registers.COMMAND_QUEUED_INVALIDATION;
            queueDue = true;
        }
        if ((changed & Registers.COMMAND_TRANSLATION) != 0) {
            translation = translation.withEnabled((value & Registers.COMMAND_TRANSLATION) != 0);
            invalidator.everything();
            status ^= Registers.COMMAND_TRANSLATION;
        }
        if ((status & (Registers.COMMAND_TRANSLATION | Registers.COMMAND_INTERRUPT_REMAPPING)) == 0) {
            faults.restart();
        }
        registers.put32(Registers.GSTS, status);
    }

    /** A port refused a request; outside its epoch. @param attributes bits of {@link iommu.vtd.format.FaultRecord} */
    void recordFault(long iova, int sourceId, int pasid, long attributes, FaultReason reason) {
        lock.lock();
        try {
            faults.record(iova, sourceId, pasid, attributes, reason.code());
        } finally {
            lock.unlock();
        }
        sendMessages();
    }

    /** Whether devices' writes to the interrupt range go somewhere. */
    boolean takesInterrupts() {
        return deviceMessages.isPresent();
    }

    /** A device's interrupt. @return why it was blocked, if it was; that is recorded */
    Optional<InterruptRemapper.Blocked> interrupt(int sourceId, long address, int data) {
        Optional<InterruptRemapper.Blocked> blocked = interrupts.request(sourceId, address, data, deviceMessages.orElseThrow());
        if (blocked.isPresent() && !blocked.get().suppressed()) {
            lock.lock();
            try {
                faults.recordInterrupt(sourceId, blocked.get().index(), blocked.get().reason().code());
            } finally {
                lock.unlock();
            }
            sendMessages();
        }
        return blocked;
    }

    /** Why a request to the interrupt range that is no interrupt is refused. */
    FaultReason noInterrupt() {
        if (features.has(VtdFeature.INTERRUPT_REMAPPING)) {
            return FaultReason.NO_INTERRUPT;
        }
        return translation.tableMode() == Registers.SCALABLE_MODE ? FaultReason.SCALABLE_INTERRUPT_RANGE : FaultReason.INTERRUPT_RANGE;
    }

    /** A request for a page that the tables allow. @return whether it went into the queue */
    boolean pageRequest(VtdAtsPort port, PageRequest request) {
        boolean taken;
        lock.lock();
        try {
            taken = pageRequests.offer(port.sourceId(), port.requestPasid(), request);
            if (taken) {
                invalidator.pageRequested(port.context(), request.iova());
            }
        } finally {
            lock.unlock();
        }
        sendMessages();
        return taken;
    }

    /** A device completed an invalidation that nobody waits for. */
    void unexpectedCompletion(int sourceId) {
        lock.lock();
        try {
            if ((registers.get32(Registers.FSTS) & Registers.FAULT_COMPLETION_ERROR) == 0) {
                registers.put64(Registers.IQERCD, registers.get64(Registers.IQERCD) & (1L << Registers.QUEUE_COMPLETION_SOURCE_SHIFT) - 1
                        | (long) sourceId << Registers.QUEUE_COMPLETION_SOURCE_SHIFT);
            }
            faults.condition(Registers.FAULT_COMPLETION_ERROR);
        } finally {
            lock.unlock();
        }
        sendMessages();
    }

    private void sendMessages() {
        if (!lock.isHeldByCurrentThread()) {
            faults.event().sendDue(messages);
            queue.event().sendDue(messages);
            pageRequests.event().sendDue(messages);
        }
    }

    /** For people. */
    public String name() {
        return name;
    }

    VtdFeatures features() {
        return features;
    }

    ReservedBits reservedBits() {
        return reservedBits;
    }

    MemoryMap memory() {
        return memory;
    }

    ProtectedMemory protectedMemory() {
        return protectedMemory;
    }

    DirtyMarkSink dirtyMarks() {
        return dirtyMarks;
    }

    InvalidationLog invalidations() {
        return invalidations;
    }

    Translation translation() {
        return translation;
    }
}
