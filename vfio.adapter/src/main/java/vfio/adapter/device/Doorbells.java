package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.adapter.interrupt.Eventfd;

/** Eventfds of the client that write a register each ({@code VFIO_DEVICE_IOEVENTFD}). A thread of their own makes the writes. Thread-safe. */
public final class Doorbells implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Doorbells.class);
    private static final int MOST = 1000;

    private final DeviceSession session;
    private final BlockingQueue<Bell> rung = new LinkedBlockingQueue<>();
    /** Guarded by {@code this}. */
    private final Map<Write, Bell> bells = new HashMap<>();
    private Thread thread;
    private boolean closed;

    Doorbells(DeviceSession session) {
        this.session = session;
    }

    /** What an eventfd writes. */
    public record Write(int bar, long offset, int widthBytes, long value) {}

    /** An eventfd, and whether it waits for the thread already. */
    private record Bell(Write write, Eventfd eventfd, AtomicBoolean waiting) {}

    /** @throws IommufdException {@link Errno#EEXIST} if there is one for the write; {@link Errno#ENOSPC} if there are too many */
    public synchronized void requireFree(Write write) {
        if (closed || bells.containsKey(write) || bells.size() >= MOST) {
            throw new IommufdException(bells.containsKey(write) ? Errno.EEXIST : Errno.ENOSPC, "no further eventfd for " + write);
        }
    }

    /**
     * Adds one.
     *
     * @param eventfd taken over
     * @throws IommufdException as {@link #requireFree}
     */
    public void add(Write write, Eventfd eventfd) {
        Bell bell = new Bell(write, eventfd, new AtomicBoolean());
        synchronized (this) {
            try {
                requireFree(write);
            } catch (IommufdException taken) {
                eventfd.close();
                throw taken;
            }
            if (thread == null) {
                thread = Thread.ofPlatform().name("vfio-doorbells-" + session.device().name()).daemon().start(this::serve);
            }
            bells.put(write, bell);
        }
        eventfd.onSignal(() -> ring(bell));
    }

    /** Removes one. @throws IommufdException {@link Errno#ENODEV} if there is none */
    public void remove(Write write) {
        Bell bell;
        synchronized (this) {
            bell = bells.remove(write);
        }
        if (bell == null) {
            throw new IommufdException(Errno.ENODEV, "no eventfd for " + write);
        }
        bell.eventfd.close();
    }

    private void ring(Bell bell) {
        if (bell.waiting.compareAndSet(false, true)) {
            rung.add(bell);
        }
    }

    private void serve() {
        try {
            while (true) {
                Bell bell = rung.take();
                bell.waiting.set(false);
                write(bell.write);
            }
        } catch (InterruptedException ends) {
            LOG.debug("{}: no doorbells any more", session.device().name());
        }
    }

    private void write(Write write) {
        try {
            session.enter();
        } catch (IommufdException gone) {
            return;
        }
        try {
            BarAccess.write(session, write.bar, write.offset, write.widthBytes, write.value);
        } catch (RuntimeException refused) {
            LOG.debug("{}: {} was refused: {}", session.device().name(), write, refused.getMessage());
        } finally {
            session.leave();
        }
    }

    @Override
    public void close() {
        Map<Write, Bell> left;
        synchronized (this) {
            closed = true;
            left = Map.copyOf(bells);
            bells.clear();
            if (thread != null) {
                thread.interrupt();
            }
        }
        left.values().forEach(bell -> bell.eventfd.close());
    }
}
