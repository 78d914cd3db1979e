package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.dma.FarPath;
import iommu.common.dma.InvalidationLog;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.RegisterAccess;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.MemoryMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An SMMUv3: registers, and ports for the requests of devices. Commands are carried out synchronously by the register write
 * that offers them.
 */
public final class SmmuUnit implements RegisterAccess {
    private static final Logger LOG = LoggerFactory.getLogger(SmmuUnit.class);
    /** Implemented bytes of each page; the rest reads as 0. */
    private static final int PAGE_BYTES = 0x1000;
    private static final int CR0_ALL = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN;
    private static final long UPDATE_NANOS = 5_000_000_000L;
    private static final int MSI_ATTRIBUTES = 0x3f;

    private final String name;
    private final SmmuFeatures features;
    private final DirtyMarkSink dirtyMarks;
    private final RegisterFile registers = new RegisterFile(2 * PAGE_BYTES);
    private final InvalidationLog log = new InvalidationLog();
    private final FarPath farPath = new FarPath();
    private final SmmuBus bus;
    private final GlobalErrors errors;
    private final EventRecorder events;
    private final CommandConsumer commands;
    private final ReentrantLock lock = new ReentrantLock();
    /** SMMUEN as requests see it: set before the log entry that makes ports look again. */
    private volatile boolean enabled;

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
        bus = new SmmuBus(memory, messages);
        errors = new GlobalErrors(registers, bus, interrupts);
        events = new EventRecorder(registers, bus, errors, features.queueEntriesLg2());
        commands = new CommandConsumer(registers, bus, errors, log, features.queueEntriesLg2());
        defineRegisters();
    }

    private void defineRegisters() {
        registers.define32(IDR0, features.idr0(), 0, 0);
        registers.define32(IDR1, features.idr1(), 0, 0);
        registers.define32(IDR3, features.idr3(), 0, 0);
        registers.define32(IDR5, features.idr5(), 0, 0);
        registers.define32(AIDR, AIDR_V3_1, 0, 0);
        registers.define32(CR0, 0, CR0_ALL, 0);
        registers.define32(CR0ACK, 0, 0, 0);
        registers.define32(CR1, 0, CR1_TABLE | CR1_QUEUE, 0);
        registers.define32(CR2, 0, CR2_RECINVSID | CR2_PTM, 0);
        registers.define32(GBPA, features.has(SmmuFeature.ABORT_AFTER_RESET) ? GBPA_ABORT : GBPA_SHCFG_INCOMING, GBPA_ABORT | GBPA_ATTRIBUTES, 0);
        registers.define32(IRQ_CTRL, 0, IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ, 0);
        registers.define32(IRQ_CTRLACK, 0, 0, 0);
        registers.define32(GERROR, 0, 0, 0);
        registers.define32(GERRORN, 0, GERROR_ALL, 0);
        defineMessage(GERROR_IRQ_CFG0);
        registers.define64(STRTAB_BASE, 0, STRTAB_BASE_ADDRESS | BASE_HINT, 0);
        registers.define32(STRTAB_BASE_CFG, 0, STRTAB_FMT | 0x1f << STRTAB_SPLIT_SHIFT | STRTAB_LOG2SIZE, 0);
        registers.define64(CMDQ_BASE, 0, QUEUE_BASE_ADDRESS | BASE_HINT | QUEUE_LOG2SIZE, 0);
        registers.define32(CMDQ_PROD, 0, QUEUE_INDEX, 0);
        registers.define32(CMDQ_CONS, 0, QUEUE_INDEX | CMDQ_CONS_ERR, 0);
        registers.define64(EVENTQ_BASE, 0, QUEUE_BASE_ADDRESS | BASE_HINT | QUEUE_LOG2SIZE, 0);
        defineMessage(EVENTQ_IRQ_CFG0);
        registers.define32(internal(EVENTQ_PROD), 0, QUEUE_INDEX | EVENTQ_OVERFLOW, 0);
        registers.define32(internal(EVENTQ_CONS), 0, QUEUE_INDEX | EVENTQ_OVERFLOW, 0);
    }

    private void defineMessage(int cfg0) {
        boolean messages = features.has(SmmuFeature.MSI);
        registers.define64(cfg0, 0, messages ? IRQ_CFG0_ADDRESS : 0, 0);
        registers.define32(cfg0 + IRQ_CFG1, 0, messages ? -1 : 0, 0);
        registers.define32(cfg0 + IRQ_CFG2, 0, messages ? MSI_ATTRIBUTES : 0, 0);
    }

    /** As if power had gone and come. Ports stay open; on return no request uses what was configured. */
    public void reset() {
        lock.lock();
        try {
            enabled = false;
            events.reset(this::defineRegisters);
            forgetEverything();
        } finally {
            lock.unlock();
        }
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

    @Override
    public long read(int offset, int bytes) {
        if (!implemented(offset, bytes)) {
            return 0;
        }
        return bytes == 8 ? registers.get64(internal(offset)) : registers.get32(internal(offset)) & 0xffff_ffffL;
    }

    @Override
    public void write(int offset, int bytes, long value) {
        if (!implemented(offset, bytes)) {
            return;
        }
        if (offset == EVENTQ_CONS && bytes == 4) {
            // Without the lock: the reader of events must not wait for a CMD_SYNC, which may wait for the reader's requests.
            registers.write32(internal(offset), (int) value);
            return;
        }
        int lines;
        lock.lock();
        try {
            lines = store(offset, (int) value);
            if (bytes == 8) {
                lines |= store(offset + 4, (int) (value >>> 32));
            }
        } finally {
            lock.unlock();
        }
        errors.signal(lines);
    }

    /** @return lines to raise */
    private int store(int offset, int value) {
        assert lock.isHeldByCurrentThread();
        if (locked(offset)) {
            return 0;
        }
        switch (offset) {
            case CR0 -> {
                registers.write32(CR0, value);
                enable(value & CR0_ALL);
                return commands.drain();
            }
            case CR1 -> {
                int queues = (registers.get32(CR0ACK) & (CR0_CMDQEN | CR0_EVENTQEN)) == 0 ? CR1_QUEUE : 0;
                int writable = (enabled ? 0 : CR1_TABLE) | queues;
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
                return commands.drain();
            }
            default -> registers.write32(internal(offset), value);
        }
        return 0;
    }

    /** Whether a register is read-only in the present state. */
    private boolean locked(int offset) {
        int inForce = registers.get32(CR0ACK);
        int interruptsInForce = registers.get32(IRQ_CTRLACK);
        return switch (offset) {
            case CR2, STRTAB_BASE, STRTAB_BASE + 4, STRTAB_BASE_CFG -> (inForce & CR0_SMMUEN) != 0;
            case CMDQ_BASE, CMDQ_BASE + 4, CMDQ_CONS -> (inForce & CR0_CMDQEN) != 0;
            case EVENTQ_BASE, EVENTQ_BASE + 4, EVENTQ_PROD -> (inForce & CR0_EVENTQEN) != 0;
            case GERROR_IRQ_CFG0, GERROR_IRQ_CFG0 + 4, GERROR_IRQ_CFG0 + IRQ_CFG1, GERROR_IRQ_CFG0 + IRQ_CFG2 ->
                    (interruptsInForce & IRQ_CTRL_GERROR) != 0;
            case EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG0 + 4, EVENTQ_IRQ_CFG0 + IRQ_CFG1, EVENTQ_IRQ_CFG0 + IRQ_CFG2 ->
                    (interruptsInForce & IRQ_CTRL_EVENTQ) != 0;
            default -> false;
        };
    }

    private void enable(int requested) {
        boolean was = enabled;
        enabled = (requested & CR0_SMMUEN) != 0;
        if (was != enabled) {
            forgetEverything();
        }
        registers.put32(CR0ACK, requested);
    }

    private void forgetEverything() {
        log.publish(SmmuInvalidation.EVERYTHING, 0, 0, -1L);
        if (!log.awaitQuiescence(UPDATE_NANOS)) {
            LOG.warn("{}: a DMA request has been inside for more than {} s", name, UPDATE_NANOS / 1_000_000_000);
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
        return port;
    }

    SmmuBus bus() {
        return bus;
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

    EventRecorder events() {
        return events;
    }

    DirtyMarkSink dirtyMarks() {
        return dirtyMarks;
    }
}
