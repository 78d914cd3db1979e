package iommu.smmuv3.unit;

import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.IntPredicate;

/**
 * Requests that wait for software (IHI 0070, §3.12.2). Each keeps its device's thread, outside of every epoch and lock, so that
 * invalidations never wait for it. A request whose event could not be written, because the queue is full or off or as many as
 * STALL_MAX wait already, is tried again when that changes. Thread-safe.
 */
final class StalledRequests {
    /** What becomes of a request. */
    enum Answer {
        /** As if it had just arrived. */
        RETRY,
        /** It is aborted. */
        ABORT,
        /** It reads zeros, or writes nothing. */
        COMPLETE
    }

    /** One of them. Guarded by {@link #lock}. */
    static final class Stall {
        private static final int NO_TAG = -1;
        private final int streamId;
        private final long seen;
        private int tag = NO_TAG;
        private Optional<Answer> answer = Optional.empty();

        private Stall(int streamId, long seen) {
            this.streamId = streamId;
            this.seen = seen;
        }
    }

    /** A device gives a request up that is not answered for so long, as its completion time-out demands. */
    static final long PATIENCE_NANOS = 10_000_000_000L;

    private final BooleanSupplier enabled;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Stall[] tags;
    private final Set<Stall> waiting = new HashSet<>();
    private long changes;
    private int nextTag;

    /**
     * None wait.
     *
     * @param most how many may have events at a time
     * @param enabled whether the unit translates
     */
    StalledRequests(int most, BooleanSupplier enabled) {
        tags = new Stall[most];
        this.enabled = enabled;
    }

    /**
     * A request stalls.
     *
     * @param recorder writes its event with a token, and returns whether it could
     */
    Stall park(int streamId, IntPredicate recorder) {
        Stall stall;
        int tag;
        lock.lock();
        try {
            stall = new Stall(streamId, changes);
            waiting.add(stall);
            if (!enabled.getAsBoolean()) {
                stall.answer = Optional.of(Answer.ABORT);
                return stall;
            }
            tag = freeTag();
            if (tag == Stall.NO_TAG) {
                return stall;
            }
            tags[tag] = stall;
            stall.tag = tag;
        } finally {
            lock.unlock();
        }
        if (!recorder.test(tag)) {
            lock.lock();
            try {
                release(stall);
            } finally {
                lock.unlock();
            }
        }
        return stall;
    }

    private int freeTag() {
        for (int i = 0; i < tags.length; i++) {
            int tag = (nextTag + i) % tags.length;
            if (tags[tag] == null) {
                nextTag = tag + 1;
                return tag;
            }
        }
        return Stall.NO_TAG;
    }

    private void release(Stall stall) {
        assert lock.isHeldByCurrentThread();
        if (stall.tag != Stall.NO_TAG) {
            tags[stall.tag] = null;
            stall.tag = Stall.NO_TAG;
        }
    }

    /** Waits until something becomes of a request; the caller is in no epoch. @param closed whether its port is gone */
    Answer await(Stall stall, BooleanSupplier closed) {
        long left = PATIENCE_NANOS;
        lock.lock();
        try {
            while (stall.answer.isEmpty() && !closed.getAsBoolean() && left > 0 && (stall.tag != Stall.NO_TAG || changes == stall.seen)) {
                left = changed.awaitNanos(left);
            }
            if (left <= 0 && stall.answer.isEmpty()) {
                stall.answer = Optional.of(Answer.ABORT);
            }
            boolean hadTag = stall.tag != Stall.NO_TAG;
            release(stall);
            waiting.remove(stall);
            if (hadTag) {
                changes++;
                changed.signalAll();
            }
            return stall.answer.orElse(closed.getAsBoolean() ? Answer.ABORT : Answer.RETRY);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            release(stall);
            waiting.remove(stall);
            changes++;
            changed.signalAll();
            return Answer.ABORT;
        } finally {
            lock.unlock();
        }
    }

    /** CMD_RESUME. One that names no stalled request has no effect. */
    void resume(int streamId, int tag, Answer answer) {
        lock.lock();
        try {
            if (tag < tags.length && tags[tag] != null && tags[tag].streamId == streamId) {
                end(tags[tag], answer);
            }
        } finally {
            lock.unlock();
        }
    }

    /** CMD_STALL_TERM. */
    void terminate(int streamId) {
        lock.lock();
        try {
            waiting.stream().filter(stall -> stall.streamId == streamId).forEach(stall -> end(stall, Answer.ABORT));
        } finally {
            lock.unlock();
        }
    }

    /** The unit was switched off. */
    void terminateAll() {
        lock.lock();
        try {
            waiting.forEach(stall -> end(stall, Answer.ABORT));
        } finally {
            lock.unlock();
        }
    }

    private void end(Stall stall, Answer answer) {
        if (stall.answer.isEmpty()) {
            stall.answer = Optional.of(answer);
        }
        release(stall);
        changes++;
        changed.signalAll();
    }

    /** Something changed that requests may wait for: room in the event queue, or a port was closed. */
    void lookAgain() {
        lock.lock();
        try {
            changes++;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Requests that wait now. */
    int count() {
        lock.lock();
        try {
            return waiting.size();
        } finally {
            lock.unlock();
        }
    }
}
