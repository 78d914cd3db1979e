package iommu.common.unit;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;

/**
 * Handles an interrupt on the thread that raised it, but only so much of it: what one device floods a queue with must not keep
 * another device's thread. The rest of a flood is left to a thread of its own, which lives as long as the flood. Thread-safe.
 */
public final class InterruptHandling implements AutoCloseable {
    private static final long JOIN_MILLIS = 10_000;

    private final String name;
    private final BooleanSupplier batch;
    private final AtomicReference<Thread> helper = new AtomicReference<>();

    /**
     * Ready for {@link #raised}.
     *
     * @param name of the thread, should there be a flood
     * @param batch handles a bounded number of entries; returns whether more may be waiting. Any thread, several at once
     */
    public InterruptHandling(String name, BooleanSupplier batch) {
        this.name = name;
        this.batch = batch;
    }

    /** The interrupt arrived. Everything that was waiting before is handled when this returns, unless there is a flood. */
    public void raised() {
        if (batch.getAsBoolean() && helper.get() == null) {
            Thread thread = Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name(name).unstarted(this::flood);
            if (helper.compareAndSet(null, thread)) {
                thread.start();
            }
        }
    }

    private void flood() {
        do {
            while (batch.getAsBoolean()) {
                Thread.yield();   // devices go on
            }
            helper.set(null);
            // Whoever found more after the last batch, but a helper still there, relied on it.
        } while (batch.getAsBoolean() && helper.compareAndSet(null, Thread.currentThread()));
    }

    /** Waits for the end of a flood; nothing raises the interrupt any more. */
    @Override
    public void close() {
        Thread thread = helper.get();
        if (thread == null || thread == Thread.currentThread()) {
            return;
        }
        try {
            thread.join(JOIN_MILLIS);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
    }
}
