package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A device's thread that does DMA until it is closed. What it throws, {@link #close} throws. */
final class DmaThread implements AutoCloseable {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final Thread thread;
    private volatile boolean stopping;
    private volatile long rounds;
    private volatile Throwable failure;

    private DmaThread(long times, Runnable round) {
        thread = new Thread(() -> run(times, round), "dma");
        thread.setDaemon(true);
        thread.start();
    }

    /** Repeats {@code round} until the thread is closed. */
    static DmaThread repeat(Runnable round) {
        return new DmaThread(Long.MAX_VALUE, round);
    }

    /** Repeats {@code round} so often, or until the thread is closed. */
    static DmaThread times(long times, Runnable round) {
        return new DmaThread(times, round);
    }

    private void run(long times, Runnable round) {
        try {
            for (long i = 0; i < times && !stopping; i++) {
                round.run();
                rounds = i + 1;
            }
        } catch (Throwable thrown) {
            failure = thrown;
        }
    }

    /** Waits until {@code more} further rounds have begun and ended. */
    void awaitRounds(long more) {
        long wanted = rounds + more + 1;
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (rounds < wanted && thread.isAlive()) {
            assertThat(System.nanoTime() - deadline).as("time the DMA thread stands still").isNegative();
            LockSupport.parkNanos(20_000);
        }
        rethrow();
    }

    /** Waits for the end of the last round. */
    void join() {
        try {
            thread.join(TimeUnit.NANOSECONDS.toMillis(PATIENCE_NANOS));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        assertThat(thread.isAlive()).as("DMA thread still inside a request").isFalse();
        rethrow();
    }

    @Override
    public void close() {
        stopping = true;
        join();
    }

    private void rethrow() {
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure != null) {
            throw new IllegalStateException("the DMA thread failed", failure);
        }
    }
}
