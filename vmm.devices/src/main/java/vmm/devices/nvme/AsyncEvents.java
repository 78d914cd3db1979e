package vmm.devices.nvme;

/**
 * Asynchronous event requests and the events that wait for one (NVMe 1.4, §5.2). An event that was reported keeps others of its
 * type back until the host reads the log page that belongs to it. One thread.
 */
final class AsyncEvents {
    /** Requests that may wait at a time. */
    static final int MAX_REQUESTS = 4;
    /** A doorbell of a queue there is not was written. */
    static final int WILD_DOORBELL = event(0, 0, LogPages.ERRORS);
    /** A doorbell was written with an index there is not. */
    static final int WILD_DOORBELL_VALUE = event(0, 1, LogPages.ERRORS);
    /** The temperature is over its threshold. */
    static final int TEMPERATURE = event(1, 1, LogPages.HEALTH);
    /** A namespace is not as it was. */
    static final int NAMESPACE_CHANGED = event(2, 0, LogPages.CHANGED_NAMESPACES);

    private static final int MAX_WAITING = 8;

    private final int[] requests = new int[MAX_REQUESTS];
    private int requestCount;
    private final int[] waiting = new int[MAX_WAITING];
    private int waitingCount;
    private int maskedTypes;

    private static int event(int type, int information, int logPage) {
        return type | information << 8 | logPage << 16;
    }

    void reset() {
        requestCount = 0;
        waitingCount = 0;
        maskedTypes = 0;
    }

    void save(SavedState state) {
        state.put(requestCount).put(requests, requestCount).put(waitingCount).put(waiting, waitingCount).put(maskedTypes);
    }

    void restore(SavedState state) {
        requestCount = state.number("waiting requests for events", 0, MAX_REQUESTS);
        for (int i = 0; i < requestCount; i++) {
            requests[i] = state.number("a command's id", 0, 0xffff);
        }
        waitingCount = state.number("waiting events", 0, MAX_WAITING);
        for (int i = 0; i < waitingCount; i++) {
            waiting[i] = state.number();
        }
        maskedTypes = state.number("masked kinds of events", 0, 0xff);
    }

    /** @return false if too many wait already */
    boolean request(int commandId) {
        if (requestCount == MAX_REQUESTS) {
            return false;
        }
        requests[requestCount++] = commandId;
        return true;
    }

    boolean requested(int commandId) {
        for (int i = 0; i < requestCount; i++) {
            if (requests[i] == commandId) {
                return true;
            }
        }
        return false;
    }

    /** Forgets a request. @return false if there is none */
    boolean withdraw(int commandId) {
        for (int i = 0; i < requestCount; i++) {
            if (requests[i] == commandId) {
                requestCount--;
                System.arraycopy(requests, i + 1, requests, i, requestCount - i);
                return true;
            }
        }
        return false;
    }

    /** An event happened; one that waits already is not told twice. */
    void happened(int event) {
        for (int i = 0; i < waitingCount; i++) {
            if (waiting[i] == event) {
                return;
            }
        }
        if (waitingCount < MAX_WAITING) {
            waiting[waitingCount++] = event;
        }
    }

    /** Completes requests with events that may be told, while there is room. */
    void report(CompletionQueue completions, int submissionHead) {
        for (int i = 0; i < waitingCount && requestCount > 0 && completions.room() > 0 && !completions.fullBatch();) {
            int event = waiting[i];
            if ((maskedTypes & 1 << (event & 7)) != 0) {
                i++;
                continue;
            }
            maskedTypes |= 1 << (event & 7);
            waitingCount--;
            System.arraycopy(waiting, i + 1, waiting, i, waitingCount - i);
            int commandId = requests[0];
            withdraw(commandId);
            completions.add(event, submissionHead, 0, commandId, NvmeStatus.SUCCESS);
        }
    }

    /** The host read a log page, and wants to hear of its events again. */
    void unmask(int logPage) {
        switch (logPage) {
            case LogPages.ERRORS -> maskedTypes &= ~1;
            case LogPages.HEALTH -> maskedTypes &= ~(1 << 1);
            case LogPages.CHANGED_NAMESPACES -> maskedTypes &= ~(1 << 2);
            default -> { }
        }
    }
}
