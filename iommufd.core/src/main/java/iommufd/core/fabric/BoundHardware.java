package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuHardware;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One {@link IommuHardware} service as the engine holds it: every control call goes through {@link #call}, which bounds its
 * time and tells a refusal from a defect. Thread-safe.
 */
final class BoundHardware {
    private static final Logger LOG = LoggerFactory.getLogger(BoundHardware.class);
    private static final long IDLE_THREAD_SECONDS = 1;

    private final String name;
    private final String vendor;
    private final Supplier<Patience> patience;
    private final Consumer<BoundHardware> onFailure;
    private final ThreadPoolExecutor threads;
    private final AtomicBoolean failed = new AtomicBoolean();
    private volatile IommuHardware service;
    private volatile boolean severed;
    private volatile boolean stuck;
    private volatile int ranking;

    /** @param onFailure told once, on the thread that noticed; must not block */
    BoundHardware(IommuHardware service, int ranking, Supplier<Patience> patience, Consumer<BoundHardware> onFailure) {
        this.service = service;
        this.name = service.name();
        this.vendor = service.vendor();
        this.ranking = ranking;
        this.patience = patience;
        this.onFailure = onFailure;
        // Threads of its own, so that none outlives the backend with the backend's thread locals.
        threads = new ThreadPoolExecutor(0, Integer.MAX_VALUE, IDLE_THREAD_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(),
                Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name("iommufd-" + name + "-", 0).factory());
    }

    String name() {
        return name;
    }

    String vendor() {
        return vendor;
    }

    int ranking() {
        return ranking;
    }

    void rank(int newRanking) {
        ranking = newRanking;
    }

    boolean is(IommuHardware other) {
        return service == other;
    }

    /** The backend. Only inside {@link #call}. */
    IommuHardware service() {
        return service;
    }

    boolean failed() {
        return failed.get();
    }

    /** Whether none of its ports lets DMA through any more, so that its tables need not be kept up to date. */
    boolean severed() {
        return severed;
    }

    /** Whether a DMA request could not be driven out of it; it may go on for ever. */
    boolean stuck() {
        return stuck;
    }

    /** Call only once no port of this hardware is open. */
    void sever() {
        severed = true;
    }

    /**
     * Calls the backend on another thread, for a bounded time.
     *
     * @param what for messages, such as "attach"
     * @throws IommufdException what the backend refuses with; {@link Errno#EIO} if it breaks its contract or has failed
     *         before; {@link Errno#ETIMEDOUT} if it does not return
     */
    <T> T call(String what, Callable<T> request) {
        if (failed()) {
            throw new IommufdException(Errno.EIO, "hardware " + name + " has failed and is being replaced; " + what + " was not tried");
        }
        Future<T> answer;
        try {
            answer = threads.submit(request);
        } catch (RejectedExecutionException left) {
            throw new IommufdException(Errno.ENODEV, "hardware " + name + " was withdrawn before " + what, left);
        }
        return await(what, answer);
    }

    /** As {@link #call}, for what must not fail: a failure only marks the hardware as failed. */
    void callAnyway(String what, Runnable request) {
        try {
            call(what, () -> {
                request.run();
                return Boolean.TRUE;
            });
        } catch (IommufdException refused) {
            if (!failed()) {
                fail(what + " must not fail but did", refused);
            }
        }
    }

    private <T> T await(String what, Future<T> answer) {
        long deadline = System.nanoTime() + patience.get().callNanos();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    T result = answer.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
                    if (result == null) {
                        throw fail(what + " answered null", new NullPointerException(what));
                    }
                    return result;
                } catch (InterruptedException again) {
                    interrupted = true;   // a half-made call cannot be left
                }
            }
        } catch (TimeoutException late) {
            answer.cancel(true);
            fail(what + " did not return in time", late);
            throw new IommufdException(Errno.ETIMEDOUT, "hardware %s did not finish %s within %d ms and counts as failed"
                    .formatted(name, what, TimeUnit.NANOSECONDS.toMillis(patience.get().callNanos())), late);
        } catch (ExecutionException thrown) {
            if (thrown.getCause() instanceof IommufdException refused) {
                throw refused;
            }
            throw fail(what + " threw", thrown.getCause());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * Closes ports and waits until no request is inside, also on hardware that has failed; all together for as long as one
     * call may take.
     *
     * @return whether all are empty
     */
    boolean drain(List<HardwarePort> ports) {
        if (ports.isEmpty()) {
            return true;
        }
        long deadline = System.nanoTime() + patience.get().callNanos();
        try {
            boolean drained = await("closing of ports", threads.submit(() -> {
                boolean all = true;
                for (HardwarePort port : ports) {
                    all &= port.close(Math.max(1, deadline - System.nanoTime()));
                }
                return all;
            }));
            if (!drained) {
                stuck = true;
                fail("a DMA request did not end when its port was closed", new TimeoutException(name));
            }
            return drained;
        } catch (IommufdException | RejectedExecutionException broken) {
            stuck = true;
            fail("ports could not be closed", broken);
            return false;
        }
    }

    /**
     * As {@link #drain}, of hardware that works: on this thread, watched, because handing over to another takes longer than
     * closing does.
     */
    boolean drainHere(List<HardwarePort> ports, CallWatch watch) {
        long deadline = System.nanoTime() + patience.get().callNanos();
        boolean drained = true;
        int place = watch.enter(this);
        try {
            for (HardwarePort port : ports) {
                drained &= port.close(Math.max(1, deadline - System.nanoTime()));
            }
        } catch (RuntimeException | Error broken) {
            stuck = true;
            fail("ports could not be closed", broken);
            return false;
        } finally {
            watch.exit(place);
        }
        if (!drained) {
            stuck = true;
            fail("a DMA request did not end when its port was closed", new TimeoutException(name));
        }
        return drained;
    }

    /** Marks the hardware as failed. @return what to throw to the caller */
    IommufdException fail(String what, Throwable cause) {
        if (failed.compareAndSet(false, true)) {
            LOG.info("hardware {} has failed: {}", name, what, cause);
            onFailure.accept(this);
        }
        return new IommufdException(Errno.EIO, "hardware " + name + " broke its contract: " + what, cause);
    }

    /** Lets go of the backend and its threads. */
    void vacate() {
        severed = true;
        threads.shutdownNow();
        service = null;
    }

    @Override
    public String toString() {
        return name;
    }
}
