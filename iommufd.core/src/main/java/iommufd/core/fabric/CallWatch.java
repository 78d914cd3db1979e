package iommufd.core.fabric;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * Watches calls that are too hot to be moved to another thread: whoever overstays is interrupted and its hardware marked as
 * failed. Entering and leaving allocate nothing and take no lock. More callers at once than places go unwatched.
 */
final class CallWatch implements AutoCloseable {
    /** What {@link #enter} answers when every place near is taken. */
    static final int UNWATCHED = -1;

    private static final int PLACES = 256;
    private static final int STRIDE = 16;   // keeps neighbours off one cache line
    private static final int PROBES = 4;
    private static final int FREE = 0;
    private static final int CLAIMED = 1;
    private static final int RUNNING = 2;
    private static final int INTERRUPTING = 3;
    private static final int INTERRUPTED = 4;

    private final AtomicIntegerArray states = new AtomicIntegerArray(PLACES * STRIDE);
    private final Thread[] callers = new Thread[PLACES];
    private final BoundHardware[] hardware = new BoundHardware[PLACES];
    private final long[] sinceNanos = new long[PLACES];
    private final Thread guard;
    private volatile boolean closed;

    /** @param limit how many nanoseconds a call may take; asked again and again */
    CallWatch(LongSupplier limit) {
        guard = Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name("iommufd-watch").start(() -> {
            while (!closed) {
                LockSupport.parkNanos(limit.getAsLong() / 4 + 1);
                sweep(limit.getAsLong());
            }
        });
    }

    /** A call begins. @return what {@link #exit} takes */
    int enter(BoundHardware called) {
        Thread caller = Thread.currentThread();
        int first = (int) (caller.threadId() * 0x9E3779B97F4A7C15L >>> 56);
        for (int probe = 0; probe < PROBES; probe++) {
            int place = first + probe & PLACES - 1;
            if (states.get(place * STRIDE) == FREE && states.compareAndSet(place * STRIDE, FREE, CLAIMED)) {
                callers[place] = caller;
                hardware[place] = called;
                sinceNanos[place] = System.nanoTime();
                states.setRelease(place * STRIDE, RUNNING);
                return place;
            }
        }
        return UNWATCHED;
    }

    /** The call ended. @return whether it was interrupted for taking too long; the interrupt is taken back then */
    boolean exit(int place) {
        if (place == UNWATCHED) {
            return false;
        }
        boolean late = false;
        while (!late && !states.compareAndSet(place * STRIDE, RUNNING, CLAIMED)) {
            late = states.getAcquire(place * STRIDE) == INTERRUPTED;
            Thread.onSpinWait();
        }
        if (late) {
            Thread.interrupted();
        }
        callers[place] = null;
        hardware[place] = null;
        states.setRelease(place * STRIDE, FREE);
        return late;
    }

    private void sweep(long limitNanos) {
        for (int place = 0; place < PLACES; place++) {
            int state = place * STRIDE;
            if (states.getAcquire(state) != RUNNING || System.nanoTime() - sinceNanos[place] < limitNanos
                    || !states.compareAndSet(state, RUNNING, INTERRUPTING)) {
                continue;
            }
            // A place that was left and entered again meanwhile is young: let it go on.
            if (System.nanoTime() - sinceNanos[place] < limitNanos) {
                states.setRelease(state, RUNNING);
                continue;
            }
            BoundHardware slow = hardware[place];
            callers[place].interrupt();
            states.setRelease(state, INTERRUPTED);
            slow.fail("a change of a page table did not return in time", new InterruptedException("watch"));
        }
    }

    @Override
    public void close() {
        closed = true;
        LockSupport.unpark(guard);
    }
}
