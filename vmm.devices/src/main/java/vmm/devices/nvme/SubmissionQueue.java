package vmm.devices.nvme;

/** A submission queue: the host owns the tail, the controller the head (NVMe 1.4, §4.1). One thread. */
final class SubmissionQueue {
    private final int id;
    private final long baseIova;
    private final int entries;
    private final CompletionQueue completions;
    private int head;
    private int tail;
    private int seenDoorbell;

    SubmissionQueue(int id, long baseIova, int entries, CompletionQueue completions) {
        this.id = id;
        this.baseIova = baseIova;
        this.entries = entries;
        this.completions = completions;
    }

    /** A queue from another host. @param completions its completion queue */
    static SubmissionQueue restored(int id, SavedState state, CompletionQueue completions) {
        SubmissionQueue queue = new SubmissionQueue(id, state.word(), state.number("a submission queue's entries", 2,
                ControllerRegister.MAX_QUEUE_ENTRIES + 1), completions);
        queue.head = state.number("a submission queue's head", 0, queue.entries - 1);
        queue.tail = state.number("a submission queue's tail", 0, queue.entries - 1);
        queue.seenDoorbell = state.number();
        return queue;
    }

    void save(SavedState state) {
        state.put(baseIova).put(entries).put(head).put(tail).put(seenDoorbell);
    }

    int id() {
        return id;
    }

    CompletionQueue completions() {
        return completions;
    }

    /** What a completion reports. */
    int head() {
        return head;
    }

    /** Takes over the tail the host wrote. @return false if there can be no such tail */
    boolean takeTail(int doorbell) {
        if (doorbell == seenDoorbell) {
            return true;
        }
        seenDoorbell = doorbell;
        if (Integer.compareUnsigned(doorbell, entries) >= 0) {
            return false;
        }
        tail = doorbell;
        return true;
    }

    /** Commands that wait. */
    int waiting() {
        int waiting = tail - head;
        return waiting < 0 ? waiting + entries : waiting;
    }

    /** Commands that wait one after the other, without the end of the queue between. */
    int waitingInARow() {
        return tail >= head ? tail - head : entries - head;
    }

    /** Where the next command lies. */
    long nextIova() {
        return baseIova + ((long) head << SubmissionEntry.BYTES_LG2);
    }

    /** The next command is taken. */
    void advance() {
        head = head + 1 == entries ? 0 : head + 1;
    }
}
