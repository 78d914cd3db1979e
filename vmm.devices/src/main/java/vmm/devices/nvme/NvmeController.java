package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.ObjLongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An NVMe controller. It has no thread: {@link #doWork} is one turn of its duty cycle, which whoever owns it calls in a loop, or
 * after {@link #onWork} says that there is something to do. Registers may be accessed from any thread meanwhile.
 *
 * <p>Commands are executed in the order they are fetched and end before the next one begins; what several have in common
 * (fetching, posting, interrupting) is done once for a batch.
 */
public final class NvmeController implements AutoCloseable {
    /** Size of the register BAR. */
    public static final int BAR_BYTES = ControllerRegister.BAR_BYTES;
    /** Where doorbells start in the BAR; up to its end is what clients may map. */
    public static final int DOORBELLS_OFFSET = ControllerRegister.DOORBELLS;
    /** Size of the doorbells. */
    public static final int DOORBELLS_BYTES = ControllerRegister.DOORBELLS_BYTES;

    private static final Logger LOG = LoggerFactory.getLogger(NvmeController.class);
    private static final int BRIEF_TURNS = 4;
    private static final long STATE_VERSION = 1;

    private final Arena arena = Arena.ofShared();
    /** Fair: whoever resets must not wait for more than a turn. */
    private final ReentrantLock working = new ReentrantLock(true);
    private final ControllerRegisters registers = new ControllerRegisters();
    private final AsyncEvents events = new AsyncEvents();
    private final DmaPort port;
    private final NvmeInterrupts interrupts;
    private final QueueSet queues;
    private final NamespaceSet namespaces;
    private final Features features;
    private final String serial;
    private final DataPointer pointer;
    private final AdminCommands admin;
    private final CommandLoop commands;
    private volatile Runnable onWork = () -> { };
    private volatile boolean wildDoorbell;
    private volatile boolean running;
    private boolean pin;
    private boolean closed;
    private boolean suspended;

    /**
     * Powers the controller up, disabled.
     *
     * @param port where all its DMA goes; the controller closes it
     * @param doorbells {@link #DOORBELLS_BYTES} of memory, which clients may write without being trapped
     */
    public NvmeController(NvmeSubsystem subsystem, DmaPort port, NvmeInterrupts interrupts, MemorySegment doorbells) {
        this.port = port;
        this.interrupts = interrupts;
        namespaces = subsystem.namespaces();
        serial = subsystem.options().serial();
        features = new Features(namespaces.count(), interrupts.vectors());
        queues = new QueueSet(subsystem.options().queuePairs(), interrupts.vectors(), doorbells, arena);
        pointer = new DataPointer(port, arena, IdentifyData.MAX_TRANSFER_BYTES);
        admin = new AdminCommands(subsystem, queues, features, events, pointer, port, arena);
        NvmCommands io = new NvmCommands(subsystem, features, pointer, port, arena);
        commands = new CommandLoop(subsystem, queues, admin, io, events, registers, port, interrupts, arena);
        subsystem.health().poweredOn();
    }

    /** Has {@code action} run, on the host's thread, whenever a trapped access leaves something for {@link #doWork}. */
    public void onWork(Runnable action) {
        onWork = action;
    }

    /** Reads a register of the BAR. @param lengthBytes 1, 2, 4 or 8 */
    public long read(long offset, int lengthBytes) {
        return offset < ControllerRegister.DOORBELLS ? registers.read(offset, lengthBytes) : 0;   // doorbells are write-only
    }

    /** Writes a register of the BAR. @param lengthBytes 1, 2, 4 or 8 */
    public void write(long offset, int lengthBytes, long value) {
        boolean work = offset >= ControllerRegister.DOORBELLS ? ring(offset, lengthBytes, value) : registers.write(offset, lengthBytes, value);
        if (work) {
            onWork.run();
        }
    }

    /** Writes a doorbell of the BAR, without telling {@link #onWork}. @return whether there is something for {@link #doWork} */
    boolean ring(long offset, int lengthBytes, long value) {
        int index = (int) (offset - ControllerRegister.DOORBELLS) / Integer.BYTES;
        if (lengthBytes != Integer.BYTES || offset % Integer.BYTES != 0 || !queues.exists(index)) {
            wildDoorbell = true;
            return true;
        }
        queues.ring(index, (int) value);
        if ((index & 1) == 0) {
            return true;
        }
        if (interrupts.pinBased()) {
            lowerPin();
        }
        return commands.starving();
    }

    /** Bytes that the last batch of commands moved: a guess at what the next one will. */
    long lastBatchBytes() {
        return commands.lastBatchBytes();
    }

    /** The host took completions: the pin must fall before its interrupt handler ends. */
    private void lowerPin() {
        working.lock();
        try {
            updatePin();
        } finally {
            working.unlock();
        }
    }

    /**
     * Turns on the host's thread, which must not be kept long: much data, and commands that wait for the medium, are left.
     *
     * @return whether nothing is left to do; false also if another thread is at work
     */
    boolean workBriefly() {
        if (!working.tryLock()) {
            return false;
        }
        try {
            for (int turn = 0; turn < BRIEF_TURNS && !closed && !suspended; turn++) {
                int done = turn(true);
                if (done == 0 || commands.leftSome()) {
                    return !commands.leftSome();
                }
            }
            return closed || suspended;
        } finally {
            working.unlock();
        }
    }

    /**
     * One turn: obeys registers, executes a batch of every queue, posts completions, interrupts.
     *
     * @return commands executed and registers obeyed; 0 if there was nothing to do
     */
    public int doWork() {
        working.lock();
        try {
            return closed || suspended ? 0 : turn(false);
        } finally {
            working.unlock();
        }
    }

    private int turn(boolean brief) {
        int asked = registers.take();
        int done = asked == 0 ? 0 : obey(asked);
        if (!running) {
            return done;
        }
        if (wildDoorbell) {
            wildDoorbell = false;
            events.happened(AsyncEvents.WILD_DOORBELL);
        }
        done += commands.turn(brief);
        if (commands.unreachable()) {
            fatal();
        }
        if (interrupts.pinBased()) {
            updatePin();
        }
        return done;
    }

    private int obey(int asked) {
        if ((asked & ControllerRegisters.RESET) != 0) {
            stop();
            registers.stopped();
        }
        if ((asked & ControllerRegisters.ENABLE) != 0 && (registers.configuration() & ControllerRegister.CC_ENABLE) != 0) {
            start();
        }
        if ((asked & ControllerRegisters.SHUTDOWN) != 0) {
            registers.setStatus(ControllerRegister.CSTS_SHUTDOWN, ControllerRegister.CSTS_SHUTDOWN_OCCURRING);
            namespaces.flush();
            registers.setStatus(ControllerRegister.CSTS_SHUTDOWN, ControllerRegister.CSTS_SHUTDOWN_COMPLETE);
        }
        updatePin();
        return 1;
    }

    private void start() {
        int configuration = registers.configuration();
        int pageLg2 = ControllerRegister.pageLg2(configuration);
        long misaligned = (registers.submissions() | registers.completions()) & (1L << pageLg2) - 1;
        int entriesOfOne = registers.attributes();
        boolean possible = pageLg2 <= ControllerRegister.MAX_PAGE_LG2 && misaligned == 0
                && (configuration & (ControllerRegister.CC_COMMAND_SET | ControllerRegister.CC_ARBITRATION)) == 0
                && ControllerRegister.adminSubmissionEntries(entriesOfOne) > 1 && ControllerRegister.adminCompletionEntries(entriesOfOne) > 1;
        if (!possible) {
            LOG.info("enabled with CC 0x{}, AQA 0x{}, ASQ 0x{}, ACQ 0x{}, which cannot work: fatal status", Integer.toHexString(configuration),
                    Integer.toHexString(entriesOfOne), Long.toHexString(registers.submissions()), Long.toHexString(registers.completions()));
            fatal();
            return;
        }
        features.reset();
        events.reset();
        pointer.setPage(pageLg2);
        admin.start(configuration);
        commands.restart();
        queues.start(registers.submissions(), ControllerRegister.adminSubmissionEntries(entriesOfOne),
                registers.completions(), ControllerRegister.adminCompletionEntries(entriesOfOne));
        running = true;
        registers.setStatus(0, ControllerRegister.CSTS_READY);
    }

    private void stop() {
        running = false;
        queues.stop();
        events.reset();
        wildDoorbell = false;
        commands.restart();
    }

    /** Only a reset helps now. */
    private void fatal() {
        running = false;
        registers.setStatus(0, ControllerRegister.CSTS_FATAL);
    }

    private void updatePin() {
        boolean asserted = interrupts.pinBased() && (queues.pendingVectors() & ~registers.mask()) != 0;
        if (asserted != pin) {
            pin = asserted;
            interrupts.pin(asserted);
        }
    }

    /**
     * Nothing is executed while it is suspended: no DMA, no interrupt, nothing under way on return. Registers and doorbells keep what
     * clients write. What was written to namespaces is durable then.
     */
    void suspend(boolean wanted) {
        working.lock();
        try {
            if (wanted && !suspended && running) {   // one that does not run has written nothing
                namespaces.flush();
            }
            suspended = wanted;
        } finally {
            working.unlock();
        }
    }

    /** Makes durable what was written so far, while it works: little is then left for {@link #suspend}. Any thread. */
    void flush() {
        namespaces.flush();
    }

    /** The state of a suspended controller, for another host. */
    byte[] save() {
        working.lock();
        try {
            SavedState state = SavedState.empty().put(STATE_VERSION);
            shape((what, number) -> state.put(number));
            registers.save(state);
            state.put(running).put(wildDoorbell);
            queues.save(state);
            admin.save(state);
            features.save(state);
            events.save(state);
            return state.written();
        } finally {
            working.unlock();
        }
    }

    /**
     * Takes over the state of another controller, which knows the same namespaces. If it fails the controller is as after a reset.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is no state, or that of a controller with other queues or namespaces
     */
    void restore(byte[] content) {
        SavedState state = SavedState.arrived(content);
        working.lock();
        try {
            stop();
            state.expect("the version of its state", STATE_VERSION);
            shape(state::expect);
            registers.restore(state);
            boolean ran = state.flag("whether it runs");
            wildDoorbell = state.flag("wild doorbells");
            int pageLg2 = ControllerRegister.pageLg2(registers.configuration());
            if (ran && pageLg2 > ControllerRegister.MAX_PAGE_LG2) {
                throw new IommufdException(Errno.EINVAL, "the state of an NVMe controller has memory pages of 2^%d bytes".formatted(pageLg2));
            }
            pointer.setPage(Math.min(pageLg2, ControllerRegister.MAX_PAGE_LG2));
            admin.start(registers.configuration());
            queues.restore(state);
            if (ran && queues.admin() == null) {
                throw new IommufdException(Errno.EINVAL, "the state of an NVMe controller that runs without admin queue");
            }
            admin.restore(state);
            features.restore(state);
            events.restore(state);
            state.expectEnd();
            running = ran;
            updatePin();
        } catch (IommufdException malformed) {
            stop();
            registers.powerOn();
            updatePin();
            throw malformed;
        } finally {
            working.unlock();
        }
    }

    /** What must be the same on both hosts: what clients have been told, and cannot change under them. */
    private void shape(ObjLongConsumer<String> each) {
        each.accept("queue pairs", queues.queuePairs());
        each.accept("interrupt vectors", interrupts.vectors());
        each.accept("its serial number's hash", serial.hashCode());
        each.accept("namespaces", namespaces.count());
        for (int id = 1; id <= namespaces.count(); id++) {
            each.accept("blocks of a namespace", namespaces.get(id).blocks());
            each.accept("the log of a block's size", namespaces.get(id).blockLg2());
        }
    }

    /** Function level reset: everything is as after power-on, and no DMA of before is in flight when this returns. */
    public void reset() {
        working.lock();
        try {
            stop();
            registers.powerOn();
            updatePin();
        } finally {
            working.unlock();
        }
    }

    /** Whatever happened, it must not go on: fatal status until the host resets it. */
    void fail(Throwable thrown) {
        LOG.error("NVMe controller failed, which is a defect: fatal status until the host resets it", thrown);
        working.lock();
        try {
            fatal();
        } finally {
            working.unlock();
        }
    }

    /** CSTS. */
    int status() {
        return registers.status();
    }

    /** Whether there are queues to look at. */
    public boolean enabled() {
        return running;
    }

    /** Its state, for people. */
    @Override
    public String toString() {
        int status = registers.status();
        return (status & ControllerRegister.CSTS_FATAL) != 0 ? "in fatal status" : (status & ControllerRegister.CSTS_READY) == 0 ? "disabled"
                : "enabled with %d I/O queues".formatted(queues.served().length);
    }

    /** Powers it down: waits for what is being done, then closes the port. */
    @Override
    public void close() {
        working.lock();
        try {
            if (!closed) {
                stop();
                closed = true;
                port.close();
                arena.close();
            }
        } finally {
            working.unlock();
        }
    }
}
