package vmm.devices.nvme;

import static vmm.devices.nvme.NvmeStatus.SUCCESS;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches commands, executes them one after the other, posts their completions and interrupts: a batch of every queue in a turn,
 * with what commands have in common done once for the batch. One thread; allocates nothing itself.
 */
final class CommandLoop {
    private static final Logger LOG = LoggerFactory.getLogger(CommandLoop.class);
    /** Completions are not held back while more than this is moved. */
    private static final long POST_AFTER_BYTES = 128 << 10;
    /** A brief turn ends after this. */
    private static final long BRIEF_BYTES = 64 << 10;

    private final QueueSet queues;
    private final AdminCommands admin;
    private final NvmCommands io;
    private final AsyncEvents events;
    private final Health health;
    private final ErrorLog errors;
    private final DmaPort port;
    private final NvmeInterrupts interrupts;
    private final ControllerRegisters registers;
    private final MemorySegment fetched;
    /** A queue could not be served because its completions had no room: doorbells of completion queues matter. */
    private volatile boolean starving;
    private volatile long lastBatchBytes;
    private boolean unreachable;
    private boolean left;

    CommandLoop(NvmeSubsystem subsystem, QueueSet queues, AdminCommands admin, NvmCommands io, AsyncEvents events, ControllerRegisters registers,
            DmaPort port, NvmeInterrupts interrupts, Arena arena) {
        this.queues = queues;
        this.admin = admin;
        this.io = io;
        this.events = events;
        this.registers = registers;
        this.port = port;
        this.interrupts = interrupts;
        health = subsystem.health();
        errors = subsystem.errors();
        fetched = arena.allocate(QueueSet.BATCH << SubmissionEntry.BYTES_LG2, SubmissionEntry.BYTES);
    }

    /** All queues are new, or gone. */
    void restart() {
        starving = false;
        unreachable = false;
        lastBatchBytes = 0;
    }

    /** Whether a queue cannot be served until the host takes completions. Any thread. */
    boolean starving() {
        return starving;
    }

    /** Bytes that the last batch moved: a guess at what the next one will. Any thread. */
    long lastBatchBytes() {
        return lastBatchBytes;
    }

    /** Whether a queue could not be reached, after which nothing can go on. */
    boolean unreachable() {
        return unreachable;
    }

    /** Whether the last turn was brief and left something that takes time. */
    boolean leftSome() {
        return left;
    }

    /** @param brief whether to leave much data, and commands that wait for the medium. @return commands executed */
    int turn(boolean brief) {
        starving = false;
        left = false;
        int done = serve(queues.admin(), brief);
        if (!unreachable) {
            events.report(queues.admin().completions(), queues.admin().head());
            post(queues.admin().completions());
        }
        SubmissionQueue[] served = queues.served();
        for (int i = 0; i < served.length && !unreachable; i++) {
            done += serve(served[i], brief);
        }
        return done;
    }

    /** Executes what waits in a queue, up to a batch. @return commands executed */
    private int serve(SubmissionQueue queue, boolean brief) {
        if (!queue.takeTail(queues.doorbell(queue))) {
            events.happened(AsyncEvents.WILD_DOORBELL_VALUE);
        }
        int count = Math.min(QueueSet.BATCH, queue.waitingInARow());
        return count == 0 ? 0 : serve(queue, queue.completions(), count, brief);
    }

    private int serve(SubmissionQueue queue, CompletionQueue completions, int waiting, boolean brief) {
        if (completions.room() < waiting) {
            starving = true;   // before the doorbell is looked at, or its next ring could be missed
        }
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
        int done = execute(queue, completions, count, brief);
        health.busy(System.nanoTime() - start);
        return done;
    }

    /** @return how many of {@code count} were executed */
    private int execute(SubmissionQueue queue, CompletionQueue completions, int count, boolean brief) {
        boolean ofAdmin = queue.id() == 0;
        long movedBefore = health.movedBytes();
        long postAt = movedBefore + POST_AFTER_BYTES;
        int done = 0;
        while (done < count && !unreachable) {
            if (registers.resetAsked()) {
                return done;   // nothing of this is of interest any more
            }
            long at = (long) done << SubmissionEntry.BYTES_LG2;
            if (brief && !ofAdmin && (health.movedBytes() - movedBefore > BRIEF_BYTES || Opcode.waitsForMedium(SubmissionEntry.opcode(fetched, at)))) {
                left = true;
                break;
            }
            if (completions.room() == 0) {   // an aborted command took it
                starving = true;
                break;
            }
            queue.advance();
            done++;
            int status = ofAdmin ? admin.execute(fetched, at) : io.execute(fetched, at);
            if (status != AdminCommands.PENDING) {
                completions.add(ofAdmin ? admin.result() : 0, queue.head(), queue.id(), SubmissionEntry.commandId(fetched, at),
                        status == SUCCESS ? status : failed(queue.id(), at, status));
            }
            if (completions.fullBatch() || health.movedBytes() >= postAt) {
                postAt = health.movedBytes() + POST_AFTER_BYTES;
                post(completions);
            }
        }
        post(completions);
        lastBatchBytes = health.movedBytes() - movedBefore;
        return done;
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
        } else if (completions.interrupts() && !interrupts.pinBased()) {
            interrupts.message(completions.vector());
        }
    }

    private void unreachable(String kind, int id) {
        LOG.info("{} queue {} cannot be reached: {}", kind, id, port.lastFault().map(Object::toString).orElse("no fault"));
        unreachable = true;
    }
}
