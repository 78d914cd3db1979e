package vmm.devices.nvme;

import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;

/**
 * The thread of a controller. Trapped doorbells are served by the thread that rings them, as long as that is little: waking
 * another would take longer than a small command. Everything else, and doorbells in shared memory, is this thread's.
 */
final class NvmeWorker implements AutoCloseable {
    /** Turns without work before a poller begins to sleep, some ten microseconds. */
    private static final int SPINS = 2_000;
    private static final long SHORT_SLEEP_NANOS = 20_000;
    private static final long LONG_SLEEP_NANOS = 1_000_000;
    /** Sleeps before they become long. */
    private static final int SHORT_SLEEPS = 500;
    /** Who moves more than this at a time is served by the thread. */
    private static final long SMALL_BYTES = 64 << 10;
    private static final long JOIN_MILLIS = 60_000;

    private final NvmeController controller;
    private final BarAccess access;
    private final IntSupplier turn;
    private final Thread thread;
    private volatile boolean signalled;
    private volatile boolean stopped;

    /** @param turn what it does all the time, as {@link NvmeController#doWork} */
    NvmeWorker(NvmeController controller, String name, BarAccess access, IntSupplier turn) {
        this.controller = controller;
        this.access = access;
        this.turn = turn;
        thread = Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name(name).unstarted(this::run);
        controller.onWork(this::signal);
        thread.start();
    }

    /** There is something to do. Any thread. */
    void signal() {
        signalled = true;
        LockSupport.unpark(thread);
    }

    /** A doorbell was trapped: what it asks for is done before the host's thread goes on, unless it is much. */
    void rung() {
        if (controller.lastBatchBytes() > SMALL_BYTES || !workBriefly()) {
            signal();
        }
    }

    private boolean workBriefly() {
        try {
            return controller.workBriefly();
        } catch (RuntimeException | Error broken) {
            controller.fail(broken);
            return true;
        }
    }

    private void run() {
        int idle = 0;
        while (!stopped) {
            signalled = false;
            idle = turn() ? 0 : idle + 1;
            if (idle > 0) {
                rest(idle);
            }
        }
    }

    private boolean turn() {
        try {
            return turn.getAsInt() > 0;
        } catch (RuntimeException | Error broken) {
            controller.fail(broken);
            return false;
        }
    }

    private void rest(int idle) {
        if (signalled || stopped) {
            return;
        }
        if (access == BarAccess.TRAPPED || access == BarAccess.DOORBELLS_POLLED && !controller.enabled()) {
            LockSupport.park(this);
        } else if (idle < SPINS && controller.enabled()) {
            Thread.yield();   // the host's threads may have no other processor
        } else {
            LockSupport.parkNanos(this, idle < SPINS + SHORT_SLEEPS ? SHORT_SLEEP_NANOS : LONG_SLEEP_NANOS);
        }
    }

    /** Ends the thread; it is not at work any more on return. */
    @Override
    public void close() {
        stopped = true;
        LockSupport.unpark(thread);
        try {
            thread.join(JOIN_MILLIS);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
    }
}
