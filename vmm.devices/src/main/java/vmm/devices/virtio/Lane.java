package vmm.devices.virtio;

import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread and the queues it serves. While there is work it looks at them without being told; when there has been none for a while it
 * asks to be notified, and rests. Whoever wants to change something stops it between two turns.
 */
final class Lane implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Lane.class);
    /** Turns without work before it rests: some ten microseconds. */
    private static final int SPINS = 200;
    private static final long REST_NANOS = 1_000_000_000L;
    /** How often it looks at doorbells while it rests. */
    private static final long LISTEN_NANOS = 50_000;
    private static final long JOIN_MILLIS = 60_000;

    /** A queue, and what is done with it. */
    private record Served(ActiveQueue queue, QueueServer server) {}

    private final Rest rest;
    private final Runnable rested;
    private final Doorbells doorbells;
    private final Thread thread;
    /** Held during a turn. */
    private final ReentrantLock working = new ReentrantLock();
    /** Those who wait for the lock, whom the thread lets go first. */
    private final AtomicInteger callers = new AtomicInteger();
    /** Guarded by {@link #working}. */
    private Served[] served = {};
    private boolean paused;
    private volatile boolean signalled;
    private volatile boolean resting;
    private volatile boolean closed;
    private long lastRestedNanos = System.nanoTime();

    Lane(String name, Rest rest, Runnable rested, Doorbells doorbells) {
        this.rest = rest;
        this.doorbells = doorbells;
        this.rested = rested;
        thread = Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name(name).unstarted(this::run);
        thread.start();
    }

    /** There may be something to do. Any thread; quick. */
    void wake() {
        signalled = true;
        if (resting) {
            rest.wake();
        }
    }

    /** Does something while the thread is not at work. */
    <T> T quietly(Supplier<T> action) {
        callers.incrementAndGet();
        working.lock();
        try {
            return action.get();
        } finally {
            working.unlock();
            callers.decrementAndGet();
            wake();
        }
    }

    /** Quietly. */
    void add(ActiveQueue queue, QueueServer server) {
        assert working.isHeldByCurrentThread();
        served = Arrays.copyOf(served, served.length + 1);
        served[served.length - 1] = new Served(queue, server);
    }

    /** Quietly. @return the queue, if it is served */
    Optional<ActiveQueue> remove(int index) {
        assert working.isHeldByCurrentThread();
        Optional<ActiveQueue> found = find(index);
        served = Arrays.stream(served).filter(one -> one.queue.index() != index).toArray(Served[]::new);
        return found;
    }

    /** Quietly. */
    Optional<ActiveQueue> find(int index) {
        assert working.isHeldByCurrentThread();
        return Arrays.stream(served).map(Served::queue).filter(queue -> queue.index() == index).findFirst();
    }

    /** Quietly. */
    void pause(boolean pause) {
        assert working.isHeldByCurrentThread();
        paused = pause;
    }

    private void run() {
        int idle = 0;
        while (!closed) {
            while (callers.get() != 0) {
                Thread.yield();
            }
            signalled = false;
            idle = turn() > 0 ? 0 : idle + 1;
            if (idle > SPINS) {
                rest();
                idle = 0;
            } else if (idle > 0) {
                Thread.yield();   // the driver's threads may have no other processor
            }
        }
    }

    private int turn() {
        working.lock();
        try {
            int done = 0;
            Served[] all = served;
            for (int i = 0; i < all.length && !paused; i++) {
                done += serve(all[i]);
            }
            return done;
        } finally {
            working.unlock();
        }
    }

    private static int serve(Served one) {
        if (!one.queue.ring().working()) {
            return 0;
        }
        int done = 0;
        try {
            done = one.server.serve();
        } catch (RuntimeException | Error broken) {
            LOG.warn("queue {} broke its device", one.queue.index(), broken);
            one.queue.ring().fail(QueueFault.DEVICE);
        }
        if (!one.queue.ring().working()) {
            one.queue.reportFault();
        }
        return done;
    }

    private void rest() {
        resting = true;
        try {
            if (!arm() && !signalled && !closed && callers.get() == 0) {
                await();
            }
        } finally {
            resting = false;
        }
        disarm();
        long now = System.nanoTime();
        if (now - lastRestedNanos > REST_NANOS / 2) {
            lastRestedNanos = now;
            rested.run();
        }
    }

    /** With doorbells it rests in short pieces. */
    private void await() {
        if (!doorbells.present()) {
            rest.await(REST_NANOS);
            return;
        }
        long start = System.nanoTime();
        while (!doorbells.rung() && !rest.await(LISTEN_NANOS) && System.nanoTime() - start < REST_NANOS) {
            Thread.onSpinWait();
        }
    }

    private boolean arm() {
        working.lock();
        try {
            boolean news = false;
            for (int i = 0; i < served.length && !paused; i++) {
                news |= served[i].queue.ring().working() && served[i].server.arm();
                served[i].queue.reportFault();
            }
            return news;
        } finally {
            working.unlock();
        }
    }

    private void disarm() {
        working.lock();
        try {
            for (int i = 0; i < served.length && !paused; i++) {
                if (served[i].queue.ring().working()) {
                    served[i].server.disarm();
                }
            }
        } finally {
            working.unlock();
        }
    }

    /** Ends the thread; it is not at work any more on return. */
    @Override
    public void close() {
        closed = true;
        wake();
        rest.wake();
        boolean interrupted = false;
        long deadline = System.nanoTime() + JOIN_MILLIS * 1_000_000;
        for (long left = JOIN_MILLIS; left > 0 && thread.isAlive(); left = (deadline - System.nanoTime()) / 1_000_000) {
            try {
                thread.join(left);
            } catch (InterruptedException later) {
                interrupted = true;   // a client that is killed while its device closes: the thread must end all the same
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        rest.close();
    }
}
