package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.dma.FarPath;
import iommu.common.dma.InvalidationLog;
import iommu.common.unit.InterruptHandling;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.RegisterAccess;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.MemoryMap;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An SMMUv3: registers, and ports for the requests of devices. Commands are carried out by the register write that offers them,
 * up to {@link CommandQueue#BATCH}; what a flood has more is left to a thread that lives as long as the flood.
 */
public final class SmmuUnit implements RegisterAccess, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SmmuUnit.class);
    /** Implemented bytes of each page; the rest reads as 0. */
    private static final int PAGE_BYTES = 0x1000;
    private static final long UPDATE_NANOS = 5_000_000_000L;
    /** In the result of {@link #store}: commands may be waiting. */
    private static final int RUN_COMMANDS = 1 << 16;
    /** In the result of {@link #store}: stalled requests may have something to do. */
    private static final int LOOK_AGAIN = 1 << 17;
    private static final int LINES = RUN_COMMANDS - 1;

    private final String name;
    private final SmmuFeatures features;
    private final DirtyMarkSink dirtyMarks;
    private final RegisterFile registers = new RegisterFile(2 * PAGE_BYTES);
    private final SmmuRegisters rules;
    private final InvalidationLog log = new InvalidationLog();
    private final FarPath farPath = new FarPath();
    private final ReentrantLock lock = new ReentrantLock();
    private final SmmuBus bus;
    private final GlobalErrors errors;
    private final EventRecorder events;
    private final StalledRequests stalls;
    private final AtsDevices devices = new AtsDevices();
    private final PageRequestRecorder pageRequests;
    private final AddressTranslation addressTranslation;
    private final VirtualQueues virtualQueues;
    private final InterruptHandling commands;
    /** Open ones that {@link #close} closes. */
    private final Set<HardwarePort> ports = ConcurrentHashMap.newKeySet();
    /** SMMUEN as requests see it: set before the log entry that makes ports look again. */
    private volatile boolean enabled;
    private volatile boolean closed;

    /**
     * A unit of the host after reset: requests are aborted (GBPA.ABORT) until software sets it up.
     *
     * @param name for fault descriptions
     * @param interrupts wired outputs
     * @param dirtyMarks is told of every leaf made dirty
     */
    public SmmuUnit(String name, SmmuFeatures features, SmmuInterrupts interrupts, DirtyMarkSink dirtyMarks) {
        this(name, features, MemoryMap.HOST, interrupts, SmmuMessages.ABORTED, dirtyMarks);
    }

    /**
     * A unit after reset.
     *
     * @param memory all that it reaches
     * @param messages where its messages go that are written to no memory
     */
    public SmmuUnit(String name, SmmuFeatures features, MemoryMap memory, SmmuInterrupts interrupts, SmmuMessages messages,
            DirtyMarkSink dirtyMarks) {
        this.name = name;
        this.features = features;
        this.dirtyMarks = dirtyMarks;
        rules = new SmmuRegisters(registers, features);
        rules.reset();
        bus = new SmmuBus(memory, messages);
        errors = new GlobalErrors(registers, bus, interrupts);
        events = new EventRecorder(registers, bus, errors, features.queueEntriesLg2());
        stalls = new StalledRequests(features.stalls(), this::enabled);
        TableInspection tables = new TableInspection(this);
        tables.open();
        pageRequests = new PageRequestRecorder(registers, bus, errors, tables, features);
        addressTranslation = new AddressTranslation(this, tables);
        CommandExecutor executor = new CommandExecutor(registers, features, log, stalls);
        virtualQueues = new VirtualQueues(this, executor);
        CommandQueue queue = new MainCommandQueue(this, executor);
        commands = new InterruptHandling(name + "-commands", () -> !closed && queue.carryOut());
    }

    /** Where a register of page 0 or 1 stands in the register file. */
    static int internal(int offset) {
        return offset < PAGE1 ? offset : offset - PAGE1 + PAGE_BYTES;
    }

    private static boolean implemented(int offset, int bytes) {
        int inPage = offset & PAGE1 - 1;
        return offset >= 0 && offset < SPACE_BYTES && inPage < PAGE_BYTES && (bytes == 4 || bytes == 8)
                && (offset & bytes - 1) == 0;
    }

    /** Size of its register space. */
    public int registerBytes() {
        return features.has(SmmuFeature.VIRTUAL_QUEUES) ? SPACE_BYTES + VirtualQueues.SPACE_BYTES : SPACE_BYTES;
    }

    @Override
    public long read(int offset, int bytes) {
        if (offset >= SPACE_BYTES) {
            return virtualQueues.read(offset - SPACE_BYTES, bytes);
        }
        if (!implemented(offset, bytes)) {
            return 0;
        }
        return bytes == 8 ? registers.get64(internal(offset)) : registers.get32(internal(offset)) & 0xffff_ffffL;
    }

    @Override
    public void write(int offset, int bytes, long value) {
        if (offset >= SPACE_BYTES) {
            virtualQueues.write(offset - SPACE_BYTES, bytes, value);
            return;
        }
        if (!implemented(offset, bytes)) {
            return;
        }
        if ((offset == EVENTQ_CONS || offset == PRIQ_CONS) && bytes == 4) {
            // Without the lock: the reader of events must not wait for who holds it.
            registers.write32(internal(offset), (int) value);
            stalls.lookAgain();
            return;
        }
        int due;
        lock.lock();
        try {
            due = store(offset, (int) value);
            if (bytes == 8) {
                due |= store(offset + 4, (int) (value >>> 32));
            }
        } finally {
            lock.unlock();
        }
        errors.signal(due & LINES);
        if ((due & LOOK_AGAIN) != 0) {
            stalls.lookAgain();
        }
        if ((due & RUN_COMMANDS) != 0) {
            commands.raised();
        }
    }

    /** @return lines to raise, and what else is due once the lock is free */
    private int store(int offset, int value) {
        assert lock.isHeldByCurrentThread();
        if (rules.locked(offset)) {
            return 0;
        }
        switch (offset) {
            case CR0 -> {
                registers.write32(CR0, value);
                enable(value & rules.enables());
                return RUN_COMMANDS | LOOK_AGAIN;
            }
            case CR1 -> {
                boolean queuesOff = (registers.get32(CR0ACK) & (CR0_CMDQEN | CR0_EVENTQEN | CR0_PRIQEN)) == 0;
                int writable = (enabled ? 0 : CR1_TABLE) | (queuesOff ? CR1_QUEUE : 0);
                registers.put32(CR1, registers.get32(CR1) & ~writable | value & writable);
            }
            case GBPA -> {
                if ((value & GBPA_UPDATE) != 0) {
                    registers.write32(GBPA, value);
                    forgetEverything();
                }
            }
            case IRQ_CTRL -> registers.put32(IRQ_CTRLACK, registers.write32(IRQ_CTRL, value));
            case CMDQ_PROD, GERRORN -> {
                registers.write32(offset, value);
                return RUN_COMMANDS | (offset == GERRORN ? LOOK_AGAIN : 0);
            }
            case GATOS_CTRL -> {
                if ((value & GATOS_CTRL_RUN) != 0 && enabled && features.has(SmmuFeature.ATOS)) {
                    addressTranslation.run();   // RUN reads as 0 again when this returns
                }
            }
            default -> registers.write32(internal(offset), value);
        }
        return 0;
    }

    private void enable(int requested) {
        int before = registers.get32(CR0ACK);
        boolean was = enabled;
        enabled = (requested & CR0_SMMUEN) != 0;
        registers.put32(CR0ACK, requested);
        if (was && !enabled) {
            stalls.terminateAll();
        }
        if (((before ^ requested) & (CR0_SMMUEN | CR0_ATSCHK)) != 0) {
            forgetEverything();
        }
    }

    private void forgetEverything() {
        log.publish(SmmuInvalidation.EVERYTHING, 0, 0, -1L);
        if (!log.awaitQuiescence(UPDATE_NANOS)) {
            LOG.warn("{}: a DMA request has been inside for more than {} s", name, UPDATE_NANOS / 1_000_000_000);
        }
    }

    /** Waits until no request uses what was invalidated; without the unit's lock. @return false if one still does */
    boolean awaitQuiescence(long timeoutNanos) {
        boolean quiet = log.awaitQuiescence(timeoutNanos);
        if (!quiet) {
            LOG.warn("{}: CMD_SYNC waits: a DMA request has been inside for more than {} s", name, timeoutNanos / 1_000_000_000);
        }
        return quiet;
    }

    /** As if power had gone and come. Ports stay open; on return no request uses what was configured. */
    public void reset() {
        lock.lock();
        try {
            enabled = false;
            stalls.terminateAll();
            events.reset(rules::reset);
            virtualQueues.reset();
            forgetEverything();
        } finally {
            lock.unlock();
        }
    }

    /**
     * No register is written any more. Closes what a guest's devices, or those that translate, left open, and ends what a flood of
     * commands may have left running. The host's driver closes its ports itself.
     */
    @Override
    public void close() {
        closed = true;
        commands.close();
        virtualQueues.close();
        for (HardwarePort port : ports) {
            if (!port.close(UPDATE_NANOS)) {
                LOG.warn("{}: a DMA request has been inside for more than {} s", name, UPDATE_NANOS / 1_000_000_000);
            }
        }
    }

    /** How its requests reach memory behind the physical window. */
    public FarPath farPath() {
        return farPath;
    }

    /**
     * A device's way in.
     *
     * @param requesterId its value is the StreamID
     * @param pasid the SubstreamID, or {@link iommufd.api.dma.Pasid#NONE}
     */
    public HardwarePort openPort(RequesterId requesterId, int pasid) {
        SmmuPort port = new SmmuPort(this, requesterId, pasid);
        port.open();
        if (bus.isHost() && !features.has(SmmuFeature.STALL) && !features.has(SmmuFeature.TERMINATE_RAZ_WI)) {
            return port;
        }
        HardwarePort answering = new AnsweringPort(this, port);
        ports.add(answering);
        return answering;
    }

    /** The way in of a device that translates by itself. @param device called without any of the unit's locks */
    public AtsPort openAtsPort(RequesterId requesterId, int pasid, AtsPort.Device device) {
        AtsPort port = new DevicePort(this, requesterId, pasid, device);
        ports.add(port);
        return port;
    }

    /** A port was closed. */
    void forget(HardwarePort port) {
        ports.remove(port);
    }

    String name() {
        return name;
    }

    SmmuFeatures features() {
        return features;
    }

    RegisterFile registers() {
        return registers;
    }

    boolean enabled() {
        return enabled;
    }

    InvalidationLog log() {
        return log;
    }

    ReentrantLock lock() {
        return lock;
    }

    SmmuBus bus() {
        return bus;
    }

    GlobalErrors errors() {
        return errors;
    }

    EventRecorder events() {
        return events;
    }

    StalledRequests stalls() {
        return stalls;
    }

    AtsDevices devices() {
        return devices;
    }

    PageRequestRecorder pageRequests() {
        return pageRequests;
    }

    DirtyMarkSink dirtyMarks() {
        return dirtyMarks;
    }
}
