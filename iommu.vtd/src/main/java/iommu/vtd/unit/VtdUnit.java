package iommu.vtd.unit;

import iommu.common.dma.FarPath;
import iommu.common.dma.InvalidationLog;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.memory.MemoryMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A VT-d remapping unit as software and devices see it: a page of registers (§11), and ports for DMA requests. Commands
 * complete before the register write that gives them returns. Thread-safe.
 */
public final class VtdUnit implements RegisterAccess {
    /** Bits of the context command that software sets and that read back. */
    private static final long CONTEXT_KEPT = 3L << Registers.CONTEXT_REQUESTED_SHIFT | 0xFFFF;
    /** Bits of the IOTLB register that software sets and that read back. */
    private static final long IOTLB_KEPT = 3L << Registers.IOTLB_REQUESTED_SHIFT | 3L << 48
            | 0xFFFFL << Registers.IOTLB_DOMAIN_SHIFT;
    private static final int IOTLB = VtdFeatures.IOTLB_OFFSET + 8;
    private static final long DRAIN_NANOS = 5_000_000_000L;

    private final ReentrantLock lock = new ReentrantLock();
    private final String name;
    private final VtdFeatures features;
    private final MemoryMap memory;
    private final DirtyMarkSink dirtyMarks;
    private final MessageSink messages;
    private final RegisterFile registers = new RegisterFile(Registers.PAGE_BYTES);
    private final InvalidationLog invalidations = new InvalidationLog();
    private final FarPath farPath = new FarPath();
    private final Invalidator invalidator;
    private final FaultRecorder faults;
    private final InvalidationQueue queue;
    private volatile Translation translation = Translation.RESET;

    /**
     * A unit of the host after reset.
     *
     * @param name for people, in fault descriptions
     * @param dirtyMarks learns of dirty bits the unit sets
     * @param messages where its interrupts go
     */
    public VtdUnit(String name, VtdFeatures features, DirtyMarkSink dirtyMarks, MessageSink messages) {
        this(name, features, MemoryMap.HOST, dirtyMarks, messages, DRAIN_NANOS);
    }

    /**
     * A unit in front of a guest after reset.
     *
     * @param memory all it reaches; every address that it is given or finds in tables is one of this map
     */
    public VtdUnit(String name, VtdFeatures features, MemoryMap memory, MessageSink messages) {
        this(name, features, memory, entry -> { }, messages, DRAIN_NANOS);
    }

    /** @param drainNanos how long requests may be inside before an invalidation times out */
    VtdUnit(String name, VtdFeatures features, MemoryMap memory, DirtyMarkSink dirtyMarks, MessageSink messages, long drainNanos) {
        this.name = name;
        invalidator = new Invalidator(invalidations, features, drainNanos);
        this.features = features;
        this.memory = memory;
        this.dirtyMarks = dirtyMarks;
        this.messages = messages;
        registers.define32(Registers.VER, VtdFeatures.VERSION, 0, 0);
        registers.define64(Registers.CAP, features.capability(), 0, 0);
        registers.define64(Registers.ECAP, features.extendedCapability(), 0, 0);
        registers.define64(Registers.RTADDR, 0, HostAddress.PAGE | 3L << Registers.TABLE_MODE_SHIFT, 0);
        registers.define64(Registers.CCMD, 0, -1L, 0);
        registers.define64(VtdFeatures.IOTLB_OFFSET, 0, -1L, 0);
        registers.define64(IOTLB, 0, -1L, 0);
        faults = new FaultRecorder(registers, features);
        queue = new InvalidationQueue(registers, features, faults, invalidator, new KnownMemory(memory));
    }

    /** As if power had gone and come; ports stay open. */
    public void reset() {
        lock.lock();
        try {
            registers.reset();
            translation = Translation.RESET;
            faults.restart();
            faults.event().reset();
            queue.event().reset();
            invalidator.everything();
        } finally {
            lock.unlock();
        }
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
        VtdPort port = new VtdPort(this, requester, pasid);
        port.open();
        return port;
    }

    /** As {@link #openPort}, for a device with a device-TLB. */
    public VtdAtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        VtdAtsPort port = new VtdAtsPort(this, requester, pasid);
        port.open();
        return port;
    }

    /** Its end; ports are closed. */
    public void close() {
        reset();
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
        lock.lock();
        try {
            if (bytes == Long.BYTES) {
                // A quad-word may be taken as two double-words, the lower one first (§11.2); commands sit in the upper one.
                write32(offset, (int) value);
                write32(offset + 4, (int) (value >>> 32));
            } else {
                write32(offset, (int) value);
            }
        } finally {
            lock.unlock();
        }
        sendMessages();
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
            case Registers.IQT -> drainQueue();
            case Registers.FSTS -> {
                faults.cleared();
                if (before != stored) {
                    drainQueue();
                }
            }
            case Registers.FECTL -> faults.event().maskChanged();
            case Registers.IECTL -> queue.event().maskChanged();
            case Registers.ICS -> {
                if (stored == 0) {
                    queue.event().serviced();
                }
            }
            case Registers.CCMD + 4 -> contextCommand();
            case IOTLB + 4 -> iotlbCommand();
            default -> {
                if (faults.isFaultBit(offset)) {
                    faults.cleared();
                }
            }
        }
    }

    /** One bit changes per command, as §11.4.4.1 asks of software; if more do, the root table comes first and the enable last. */
    private void command(int value) {
        int status = registers.get32(Registers.GSTS);
        int changed = (status ^ value) & (Registers.COMMAND_TRANSLATION | Registers.COMMAND_QUEUED_INVALIDATION);
        if ((value & Registers.COMMAND_SET_ROOT_TABLE) != 0) {
            long root = registers.get64(Registers.RTADDR);
            translation = new Translation(translation.enabled(), (int) (root >>> Registers.TABLE_MODE_SHIFT) & 3,
                    root & HostAddress.PAGE);
            invalidator.everything();
            status |= Registers.COMMAND_SET_ROOT_TABLE;
        }
        if ((changed & Registers.COMMAND_QUEUED_INVALIDATION) != 0) {
            queue.restart();
            status ^= Registers.COMMAND_QUEUED_INVALIDATION;
        }
        if ((changed & Registers.COMMAND_TRANSLATION) != 0) {
            boolean enable = (value & Registers.COMMAND_TRANSLATION) != 0;
            translation = translation.withEnabled(enable);
            invalidator.everything();
            if (!enable) {
                faults.restart();
            }
            status ^= Registers.COMMAND_TRANSLATION;
        }
        registers.put32(Registers.GSTS, status);
        if ((changed & status & Registers.COMMAND_QUEUED_INVALIDATION) != 0) {
            drainQueue();
        }
    }

    private void drainQueue() {
        if ((registers.get32(Registers.GSTS) & Registers.COMMAND_QUEUED_INVALIDATION) != 0) {
            queue.drain(translation.tableMode());
        }
    }

    private void contextCommand() {
        long value = registers.get64(Registers.CCMD);
        if ((value & Registers.CONTEXT_INVALIDATE) == 0) {
            return;
        }
        int granularity = (int) (value >>> Registers.CONTEXT_REQUESTED_SHIFT) & 3;
        boolean done = translation.tableMode() == Registers.LEGACY_MODE && invalidator.contextCache(granularity,
                (int) value & 0xFFFF, (int) (value >>> Registers.CONTEXT_SOURCE_SHIFT) & 0xFFFF,
                (int) (value >>> Registers.CONTEXT_FUNCTION_MASK_SHIFT) & 3) && invalidator.drain();
        registers.put64(Registers.CCMD, value & CONTEXT_KEPT
                | (done ? (long) granularity << Registers.CONTEXT_ACTUAL_SHIFT : 0));
    }

    private void iotlbCommand() {
        long value = registers.get64(IOTLB);
        if ((value & Registers.IOTLB_INVALIDATE) == 0) {
            return;
        }
        int granularity = (int) (value >>> Registers.IOTLB_REQUESTED_SHIFT) & 3;
        long address = registers.get64(VtdFeatures.IOTLB_OFFSET);
        boolean done = translation.tableMode() == Registers.LEGACY_MODE && invalidator.iotlb(granularity,
                (int) (value >>> Registers.IOTLB_DOMAIN_SHIFT) & 0xFFFF, address & -1L << 12, (int) address & 0x3F)
                && invalidator.drain();
        registers.put64(IOTLB, value & IOTLB_KEPT | (done ? (long) granularity << Registers.IOTLB_ACTUAL_SHIFT : 0));
    }

    /** A port refused a request; outside its epoch. */
    void recordFault(long iova, int sourceId, int pasid, boolean read, FaultReason reason) {
        lock.lock();
        try {
            faults.record(iova, sourceId, pasid, read, reason.code());
        } finally {
            lock.unlock();
        }
        sendMessages();
    }

    private void sendMessages() {
        if (!lock.isHeldByCurrentThread()) {
            faults.event().sendDue(messages);
            queue.event().sendDue(messages);
        }
    }

    /** For people. */
    public String name() {
        return name;
    }

    VtdFeatures features() {
        return features;
    }

    MemoryMap memory() {
        return memory;
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
