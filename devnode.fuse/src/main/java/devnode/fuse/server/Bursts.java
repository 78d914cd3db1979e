package devnode.fuse.server;

import devnode.fuse.linux.IdleProcessors;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * Keeps processors awake while requests follow each other. Client and reader wait for each other in turn; where each lets a processor
 * sleep meanwhile, that costs several times what the requests do. Thread-safe but for {@link #request}.
 */
final class Bursts implements AutoCloseable {
    /** So many requests, each soon after the one before, are a burst. */
    static final int REQUESTS = 16;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final IdleProcessors processors;
    private final long patienceNanos;
    private final Thread watch = Thread.ofPlatform().name("devnode-burst").daemon().unstarted(this::watch);
    private int following;
    private volatile long latestNanos = System.nanoTime();
    /** Written with this object's lock. */
    private volatile boolean awake;
    private boolean closed;

    /**
     * @param processors closed with this
     * @param patienceNanos requests this close to each other are a burst, and this long after the last one processors may sleep; 0: never mind
     */
    Bursts(IdleProcessors processors, long patienceNanos) {
        this.processors = processors;
        this.patienceNanos = processors.canStayAwake() ? patienceNanos : 0;
        if (this.patienceNanos > 0) {
            watch.start();
        }
    }

    /** There is a request. One at a time. */
    void request() {
        if (patienceNanos > 0) {
            long now = System.nanoTime();
            following = now - latestNanos < patienceNanos ? following + 1 : 1;
            latestNanos = now;
            if (following >= REQUESTS && !awake) {
                begin();
            }
        }
    }

    private synchronized void begin() {
        if (!awake && !closed) {
            processors.stayAwake();
            awake = true;
            LockSupport.unpark(watch);
        }
    }

    private synchronized void end() {
        if (awake) {
            awake = false;
            processors.maySleep();
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private void watch() {
        while (!isClosed()) {
            if (!awake) {
                LockSupport.park(this);
                continue;
            }
            LockSupport.parkNanos(this, patienceNanos);
            if (System.nanoTime() - latestNanos >= patienceNanos) {
                end();
            }
        }
    }

    /** Processors may sleep from now on. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        end();
        LockSupport.unpark(watch);
        boolean interrupted = false;
        try {
            if (patienceNanos > 0 && !watch.join(PATIENCE)) {
                throw new IllegalStateException(watch.getName() + " does not end");
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        processors.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
