package devnode.fuse.server;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Counts calls under way until it is shut; then nobody comes in any more. Thread-safe. */
final class CallGate {
    private static final int SHUT = 1 << 31;
    private static final long PAUSE_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    private final AtomicInteger state = new AtomicInteger();

    /** @return false if the gate is shut; otherwise {@link #leave} must follow */
    boolean enter() {
        if (state.incrementAndGet() > 0) {
            return true;
        }
        state.decrementAndGet();
        return false;
    }

    void leave() {
        state.decrementAndGet();
    }

    /** @return false if it was shut before */
    boolean shut() {
        return (state.getAndUpdate(value -> value | SHUT) & SHUT) == 0;
    }

    boolean isShut() {
        return state.get() < 0;
    }

    /** Waits until all who came in have left. @param nudge called again and again meanwhile @return false after the timeout */
    boolean awaitEmpty(long timeoutNanos, Runnable nudge) {
        long deadline = System.nanoTime() + timeoutNanos;
        while ((state.get() & ~SHUT) != 0) {
            if (System.nanoTime() - deadline > 0) {
                return false;
            }
            nudge.run();
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        return true;
    }
}
