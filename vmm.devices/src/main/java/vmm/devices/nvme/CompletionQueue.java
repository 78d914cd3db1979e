package vmm.devices.nvme;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;

/**
 * A completion queue: the host owns the head, the controller the tail (NVMe 1.4, §4.1). Completions are collected and posted
 * together. One thread.
 */
final class CompletionQueue {
    private final int id;
    private final long baseIova;
    private final int entries;
    private final int vector;
    private final boolean interrupts;
    /** Completions that are not posted yet. */
    private final MemorySegment collected;
    private int collectedCount;
    private int head;
    private int tail;
    private boolean phase = true;
    private int seenDoorbell;
    /** Submission queues that complete here. */
    private int users;

    /** @param collected memory of its own for completions between {@link #add} and {@link #post} */
    CompletionQueue(int id, long baseIova, int entries, int vector, boolean interrupts, MemorySegment collected) {
        this.id = id;
        this.baseIova = baseIova;
        this.entries = entries;
        this.vector = vector;
        this.interrupts = interrupts;
        this.collected = collected;
    }

    /** A queue from another host; see {@link #CompletionQueue}. @param vectors how many there are here */
    static CompletionQueue restored(int id, SavedState state, int vectors, MemorySegment collected) {
        CompletionQueue queue = new CompletionQueue(id, state.word(), state.number("a completion queue's entries", 2,
                ControllerRegister.MAX_QUEUE_ENTRIES + 1), state.number("an interrupt vector", 0, vectors - 1),
                state.flag("a completion queue's interrupts"), collected);
        queue.head = state.number("a completion queue's head", 0, queue.entries - 1);
        queue.tail = state.number("a completion queue's tail", 0, queue.entries - 1);
        queue.phase = state.flag("a phase");
        queue.seenDoorbell = state.number();
        return queue;
    }

    /** Between turns: everything collected was posted. */
    void save(SavedState state) {
        state.put(baseIova).put(entries).put(vector).put(interrupts).put(head).put(tail).put(phase).put(seenDoorbell);
    }

    int id() {
        return id;
    }

    int vector() {
        return vector;
    }

    boolean interrupts() {
        return interrupts;
    }

    int users() {
        return users;
    }

    void use(int change) {
        users += change;
    }

    /** Completions that can be added before the queue is full. */
    int room() {
        int used = tail - head;
        return entries - 1 - (used < 0 ? used + entries : used) - collectedCount;
    }

    /** Whether the host has not taken everything. */
    boolean pending() {
        return head != tail;
    }

    /** Takes over the head the host wrote. @return false if there can be no such head */
    boolean takeHead(int doorbell) {
        if (doorbell == seenDoorbell) {
            return true;
        }
        seenDoorbell = doorbell;
        int taken = doorbell - head;
        int posted = tail - head;
        boolean valid = Integer.compareUnsigned(doorbell, entries) < 0
                && (taken < 0 ? taken + entries : taken) <= (posted < 0 ? posted + entries : posted);
        if (valid) {
            head = doorbell;
        }
        return valid;
    }

    /** Collects a completion; there must be {@link #room}, and {@link #post} follow before {@link #fullBatch}. */
    void add(int result, int submissionHead, int submissionQueue, int commandId, int status) {
        int slot = tail + collectedCount;
        boolean lap = slot >= entries;
        CompletionEntry.write(collected, (long) collectedCount++ << CompletionEntry.BYTES_LG2, result, submissionHead, submissionQueue,
                commandId, phase != lap, status);
    }

    /** Whether completions must be posted before another command is executed. */
    boolean fullBatch() {
        return collectedCount + AdminCommands.MAX_COMPLETIONS > QueueSet.BATCH;
    }

    /** Whether there is something to post. */
    boolean collectedAny() {
        return collectedCount > 0;
    }

    /**
     * Writes what was collected. Entries are aligned and copied upwards, so that the host sees no phase bit before what belongs
     * to it.
     *
     * @return false if the queue cannot be reached
     */
    boolean post(DmaPort port) {
        int first = Math.min(collectedCount, entries - tail);
        boolean reached = write(port, tail, 0, first) && (first == collectedCount || write(port, 0, first, collectedCount - first));
        tail += collectedCount;
        if (tail >= entries) {
            tail -= entries;
            phase = !phase;
        }
        collectedCount = 0;
        return reached;
    }

    private boolean write(DmaPort port, int slot, int from, int count) {
        return port.write(baseIova + ((long) slot << CompletionEntry.BYTES_LG2), collected, (long) from << CompletionEntry.BYTES_LG2,
                (long) count << CompletionEntry.BYTES_LG2) == DmaStatus.DONE;
    }
}
