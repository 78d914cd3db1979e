package vmm.devices.nvme;

import static vmm.devices.nvme.NvmeStatus.SUCCESS;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.ReentrantLock;
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
    /** Completions are not held back while more than this is moved. */
    private static final long POST_AFTER_BYTES = 128 << 10;

    private final Arena arena = Arena.ofShared();
    /** Fair: whoever resets must not wait for more than a turn. */
    private final ReentrantLock working = new ReentrantLock(true);
    private final ControllerRegisters registers = new ControllerRegisters();
    private final AsyncEvents events = new AsyncEvents();
    private final DmaPort port;
    private final NvmeInterrupts interrupts;
    private final Health health;
    private final QueueSet queues;
    private final NamespaceSet namespaces;
    private final Features features;
    private final ErrorLog errors;
    private final DataPointer pointer;
    private final AdminCommands admin;
    private final NvmCommands io;
    private final MemorySegment fetched;
    private volatile Runnable onWork = () -> { };
    private volatile boolean wildDoorbell;
    /** A queue could not be served because its completions had no room: doorbells of completion queues matter. */
    private volatile boolean starving;
    private volatile boolean running;
    private boolean pin;
    private boolean closed;

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
        health = subsystem.health();
        errors = subsystem.errors();
        features = new Features(namespaces.count(), interrupts.vectors());
        queues = new QueueSet(subsystem.options().queuePairs(), interrupts.vectors(), doorbells, arena);
        pointer = new DataPointer(port, arena, IdentifyData.MAX_TRANSFER_BYTES);
        admin = new AdminCommands(subsystem, queues, features, events, pointer, port, arena);
        io = new NvmCommands(subsystem, features, pointer, port, arena);
        fetched = arena.allocate(QueueSet.BATCH << SubmissionEntry.BYTES_LG2, SubmissionEntry.BYTES);
        health.poweredOn();
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
        return starving;
    }

    /** Bytes of commands so far, to tell much work from little. */
    long movedBytes() {
        return health.readBytes() + health.writtenBytes();
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
     * A turn, unless another thread has one.
     *
     * @return as of {@link #doWork()}, or -1 if another thread is at work
     */
    public int tryWork() {
        if (!working.tryLock()) {
            return -1;
        }
        try {
            return closed ? 0 : turn();
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
            return closed ? 0 : turn();
        } finally {
            working.unlock();
        }
    }

    private int turn() {
        int asked = registers.take();
        int done = asked == 0 ? 0 : obey(asked);
        if (!running) {
            return done;
        }
        starving = false;
        done += serve(queues.admin());
        reportEvents();
        SubmissionQueue[] served = queues.served();
        for (int i = 0; i < served.length && running; i++) {
            done += serve(served[i]);
        }
        if (done > 0 && interrupts.pinBased()) {
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
        starving = false;
    }

    /** Only a reset helps now. */
    private void fatal() {
        running = false;
        registers.setStatus(0, ControllerRegister.CSTS_FATAL);
    }

    /** Executes what waits in a queue, up to a batch. @return commands executed */
    private int serve(SubmissionQueue queue) {
        if (!queue.takeTail(queues.doorbell(queue))) {
            events.happened(AsyncEvents.WILD_DOORBELL_VALUE);
        }
        int count = Math.min(QueueSet.BATCH, queue.waitingInARow());
        return count == 0 ? 0 : serve(queue, queue.completions(), count);
    }

    private int serve(SubmissionQueue queue, CompletionQueue completions, int waiting) {
        starving = completions.room() < waiting || starving;
        if (!completions.takeHead(queues.doorbell(completions))) {
            events.happened(AsyncEvents.WILD_DOORBELL_VALUE);
        }
        int count = Math.min(waiting, completions.room());
        if (count == 0) {
            return 0;
        }
        long start = System.nanoTime();
        if (port.read(queue.nextIova(), fetched, 0, (long) count << SubmissionEntry.BYTES_LG2) != DmaStatus.DONE) {
            unreachable("submission", queue.id());
            return 0;
        }
        execute(queue, completions, count);
        health.busy(System.nanoTime() - start);
        return count;
    }

    private void execute(SubmissionQueue queue, CompletionQueue completions, int count) {
        long postAt = movedBytes() + POST_AFTER_BYTES;
        for (int i = 0; i < count && running; i++) {
            if (registers.resetAsked()) {
                return;   // nothing of this is of interest any more
            }
            boolean ofAdmin = queue.id() == 0;
            if (completions.room() == 0) {   // an aborted command took it
                starving = true;
                break;
            }
            long at = (long) i << SubmissionEntry.BYTES_LG2;
            queue.advance();
            int status = ofAdmin ? admin.execute(fetched, at) : io.execute(fetched, at);
            if (status != AdminCommands.PENDING) {
                completions.add(ofAdmin ? admin.result() : 0, queue.head(), queue.id(), SubmissionEntry.commandId(fetched, at),
                        status == SUCCESS ? status : failed(queue.id(), at, status));
            }
            if (completions.fullBatch() || movedBytes() >= postAt) {
                postAt = movedBytes() + POST_AFTER_BYTES;
                post(completions);
            }
        }
        post(completions);
    }

    private int failed(int queueId, long at, int status) {
        if (NvmeStatus.media(status)) {
            health.mediaError();
        }
        int logged = status | NvmeStatus.MORE;
        errors.add(queueId, fetched, at, logged);
        return logged;
    }

    private void post(CompletionQueue completions) {
        if (!completions.collectedAny()) {
            return;
        }
        if (!completions.post(port)) {
            unreachable("completion", completions.id());
        } else if (completions.interrupts()) {
            if (interrupts.pinBased()) {
                updatePin();
            } else {
                interrupts.message(completions.vector());
            }
        }
    }

    private void unreachable(String kind, int id) {
        LOG.info("{} queue {} cannot be reached ({}): fatal status", kind, id, port.lastFault().map(Object::toString).orElse("no fault"));
        fatal();
    }

    private void reportEvents() {
        if (!running) {
            return;
        }
        if (wildDoorbell) {
            wildDoorbell = false;
            events.happened(AsyncEvents.WILD_DOORBELL);
        }
        SubmissionQueue queue = queues.admin();
        events.report(queue.completions(), queue.head());
        post(queue.completions());
    }

    private void updatePin() {
        boolean asserted = interrupts.pinBased() && (queues.pendingVectors() & ~registers.mask()) != 0;
        if (asserted != pin) {
            pin = asserted;
            interrupts.pin(asserted);
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
