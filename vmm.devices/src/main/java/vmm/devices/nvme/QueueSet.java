package vmm.devices.nvme;

import static vmm.devices.nvme.NvmeStatus.SUCCESS;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The queues there are, and the page of doorbells, which the host may write at any time. One thread, but {@link #ring} and
 * {@link #exists}.
 */
final class QueueSet {
    /** Completions that are posted together, and commands that are fetched together. */
    static final int BATCH = 64;

    private static final VarHandle DOORBELL = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final int DOORBELL_BYTES = 4;
    private static final SubmissionQueue[] NONE = {};

    private final int queuePairs;
    private final int vectors;
    private final MemorySegment doorbells;
    private final MemorySegment collected;
    /** By number; hosts' threads ask which there are. */
    private final AtomicReferenceArray<SubmissionQueue> submissions;
    private final AtomicReferenceArray<CompletionQueue> completions;
    /** I/O submission queues in the order they were created. */
    private SubmissionQueue[] served = NONE;
    private int ioCompletions;

    /**
     * @param queuePairs most I/O queues of each kind
     * @param doorbells {@link ControllerRegister#DOORBELLS_BYTES} that may be shared with the host
     */
    QueueSet(int queuePairs, int vectors, MemorySegment doorbells, Arena arena) {
        this.queuePairs = queuePairs;
        this.vectors = vectors;
        this.doorbells = doorbells;
        collected = arena.allocate((long) (queuePairs + 1) * BATCH << CompletionEntry.BYTES_LG2, Long.BYTES);
        submissions = new AtomicReferenceArray<>(queuePairs + 1);
        completions = new AtomicReferenceArray<>(queuePairs + 1);
    }

    /** Most I/O queues of each kind. */
    int queuePairs() {
        return queuePairs;
    }

    /** Whether a doorbell belongs to a queue. @param index its number: twice the queue's, and 1 more for completions */
    boolean exists(int index) {
        int id = index >>> 1;
        return id <= queuePairs && ((index & 1) == 0 ? submissions : completions).get(id) != null;
    }

    /** Writes a doorbell, before anything the calling thread does next. Any thread. */
    void ring(int index, int value) {
        DOORBELL.setVolatile(doorbells, (long) index * DOORBELL_BYTES, value);
    }

    int doorbell(SubmissionQueue queue) {
        return (int) DOORBELL.getAcquire(doorbells, (long) queue.id() * 2 * DOORBELL_BYTES);
    }

    int doorbell(CompletionQueue queue) {
        return (int) DOORBELL.getVolatile(doorbells, ((long) queue.id() * 2 + 1) * DOORBELL_BYTES);
    }

    /** Forgets all queues and makes those of the admin. */
    void start(long submissionIova, int submissionEntries, long completionIova, int completionEntries) {
        stop();
        completions.set(0, new CompletionQueue(0, completionIova, completionEntries, 0, true, collected(0)));
        submissions.set(0, new SubmissionQueue(0, submissionIova, submissionEntries, completions.get(0)));
    }

    /** Forgets all queues, with what waits in them. */
    void stop() {
        for (int id = 0; id <= queuePairs; id++) {
            submissions.set(id, null);
            completions.set(id, null);
        }
        doorbells.fill((byte) 0);
        served = NONE;
        ioCompletions = 0;
    }

    /** All queues, and the doorbells clients wrote. */
    void save(SavedState state) {
        for (int id = 0; id <= queuePairs; id++) {
            CompletionQueue queue = completions.get(id);
            state.put(queue != null);
            if (queue != null) {
                queue.save(state);
                state.put(doorbell(queue));
            }
        }
        SubmissionQueue admin = submissions.get(0);
        state.put(admin == null ? 0 : served.length + 1);
        if (admin != null) {
            save(admin, state);
        }
        for (SubmissionQueue queue : served) {
            save(queue, state);
        }
    }

    private void save(SubmissionQueue queue, SavedState state) {
        state.put(queue.id()).put(queue.completions().id());
        queue.save(state);
        state.put(doorbell(queue));
    }

    /** Takes over queues from another host; all that there were are gone, also if it fails. */
    void restore(SavedState state) {
        stop();
        for (int id = 0; id <= queuePairs; id++) {
            if (state.flag("a completion queue")) {
                completions.set(id, CompletionQueue.restored(id, state, vectors, collected(id)));
                ioCompletions += id > 0 ? 1 : 0;
                ring(2 * id + 1, state.number());
            }
        }
        int count = state.number("submission queues", 0, queuePairs + 1);
        for (int i = 0; i < count; i++) {
            restoreSubmission(state, i == 0);
        }
    }

    /** The admin queue is the first, and uses the admin's completion queue; the others come in the order they are served in. */
    private void restoreSubmission(SavedState state, boolean ofAdmin) {
        int id = state.number("a submission queue's number", ofAdmin ? 0 : 1, ofAdmin ? 0 : queuePairs);
        int completionId = state.number("a completion queue's number", ofAdmin ? 0 : 1, ofAdmin ? 0 : queuePairs);
        CompletionQueue queue = completions.get(completionId);
        if (queue == null || submissions.get(id) != null) {
            throw new IommufdException(Errno.EINVAL, "the state of an NVMe controller has submission queue %d twice, or without completion queue %d"
                    .formatted(id, completionId));
        }
        SubmissionQueue restored = SubmissionQueue.restored(id, state, queue);
        ring(2 * id, state.number());
        if (ofAdmin) {
            submissions.set(0, restored);
        } else {
            add(restored);
        }
    }

    private void add(SubmissionQueue queue) {
        queue.completions().use(1);
        submissions.set(queue.id(), queue);
        SubmissionQueue[] more = Arrays.copyOf(served, served.length + 1);
        more[served.length] = queue;
        served = more;
    }

    private MemorySegment collected(int id) {
        long bytes = (long) BATCH << CompletionEntry.BYTES_LG2;
        return collected.asSlice(id * bytes, bytes);
    }

    SubmissionQueue admin() {
        return submissions.get(0);
    }

    /** All I/O submission queues. */
    SubmissionQueue[] served() {
        return served;
    }

    /** Whether there is any I/O queue. */
    boolean anyIo() {
        return served.length > 0 || ioCompletions > 0;
    }

    /** Vectors, as a mask of the first 32, of queues with completions the host has not taken, as far as they may interrupt. */
    int pendingVectors() {
        int pending = 0;
        for (int id = 0; id <= queuePairs; id++) {
            CompletionQueue queue = completions.get(id);
            if (queue != null && queue.interrupts() && queue.vector() < Integer.SIZE) {
                queue.takeHead(doorbell(queue));
                pending |= queue.pending() ? 1 << queue.vector() : 0;
            }
        }
        return pending;
    }

    /** @param allowed I/O queues the host asked for. @return status */
    int createCompletion(int id, int entries, long iova, int vector, boolean interrupts, int allowed) {
        if (id == 0 || id > allowed || completions.get(id) != null) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        if (entries < 2 || entries > ControllerRegister.MAX_QUEUE_ENTRIES + 1) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        if (vector >= vectors) {
            return NvmeStatus.INVALID_INTERRUPT_VECTOR;
        }
        ring(2 * id + 1, 0);
        completions.set(id, new CompletionQueue(id, iova, entries, vector, interrupts, collected(id)));
        ioCompletions++;
        return SUCCESS;
    }

    /** @param allowed I/O queues the host asked for. @return status */
    int createSubmission(int id, int entries, long iova, int completionId, int allowed) {
        if (id == 0 || id > allowed || submissions.get(id) != null || completionId == 0 || completionId > allowed) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        if (completions.get(completionId) == null) {
            return NvmeStatus.INVALID_COMPLETION_QUEUE;
        }
        if (entries < 2 || entries > ControllerRegister.MAX_QUEUE_ENTRIES + 1) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        ring(2 * id, 0);
        add(new SubmissionQueue(id, iova, entries, completions.get(completionId)));
        return SUCCESS;
    }

    /** An I/O submission queue, or null if there is none with this number. */
    SubmissionQueue ioSubmission(int id) {
        return id > 0 && id <= queuePairs ? submissions.get(id) : null;
    }

    /** Forgets a queue that is there. */
    void deleteSubmission(SubmissionQueue queue) {
        queue.completions().use(-1);
        submissions.set(queue.id(), null);
        served = Arrays.stream(served).filter(other -> other != queue).toArray(SubmissionQueue[]::new);
    }

    /** @return status */
    int deleteCompletion(int id) {
        if (id == 0 || id > queuePairs || completions.get(id) == null) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        if (completions.get(id).users() > 0) {
            return NvmeStatus.INVALID_QUEUE_DELETION;
        }
        completions.set(id, null);
        ioCompletions--;
        return SUCCESS;
    }
}
