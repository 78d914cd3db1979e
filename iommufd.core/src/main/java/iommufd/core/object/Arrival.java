package iommufd.core.object;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Something came into a queue: wakes who waits and tells who listens. Its monitor is the queue's lock. */
final class Arrival {
    private static final Logger LOG = LoggerFactory.getLogger(Arrival.class);

    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    /** Wakes waiters. Hold the monitor. */
    void signal() {
        assert Thread.holdsLock(this);
        notifyAll();
    }

    /** Calls the listeners. Hold no lock. */
    void tell() {
        for (Runnable listener : listeners) {
            try {
                listener.run();
            } catch (RuntimeException broken) {
                LOG.info("a listener of a queue threw", broken);
            }
        }
    }

    void listen(Runnable listener) {
        listeners.add(listener);
    }

    /** Waits until {@code readable}, which is asked under the monitor. */
    synchronized boolean await(Duration timeout, BooleanSupplier readable) throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!readable.getAsBoolean()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            TimeUnit.NANOSECONDS.timedWait(this, Math.max(left, TimeUnit.MILLISECONDS.toNanos(1)));
        }
        return true;
    }
}
