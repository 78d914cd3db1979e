package devnode.fuse.client;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.EventQueue;
import devnode.fuse.linux.Linux;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waits for signals at eventfds of clients, on one thread, which runs while there are any. Thread-safe. */
final class SignalWatch {
    private static final Logger LOG = LoggerFactory.getLogger(SignalWatch.class);
    private static final int STOP = 0;
    private static final MemorySegment ONE = Arena.global().allocateFrom(JAVA_LONG, 1L);

    private final Map<Long, Watched> files = new ConcurrentHashMap<>();
    private final AtomicLong nextKey = new AtomicLong(STOP);
    private Worker worker;

    /** An eventfd that somebody listens to. */
    final class Watched implements AutoCloseable {
        private final int file;
        private final Runnable listener;
        private final long key;
        private boolean closed;

        private Watched(int file, Runnable listener, long key) {
            this.file = file;
            this.listener = listener;
            this.key = key;
        }

        private synchronized void arrived(Worker by) {
            if (closed) {
                return;
            }
            by.reset(file);
            try {
                listener.run();
            } catch (RuntimeException | Error failed) {
                LOG.warn("who listens to an eventfd failed", failed);
            }
        }

        /** No call is under way when this returns, but the one that calls it. The file is still open. */
        @Override
        public void close() {
            remove(this);
            synchronized (this) {
                closed = true;
            }
        }
    }

    /** One thread and its queue. It ends itself when it is told to: a later one has a queue of its own. */
    private final class Worker implements Runnable {
        final EventQueue queue = new EventQueue();
        final int stop = ErrorNumber.check("no eventfd", Linux.createEventfd());
        private final Arena arena = Arena.ofShared();
        private final MemorySegment count = arena.allocate(JAVA_LONG, 1);
        private final MemorySegment vector = arena.allocate(Linux.VECTOR_BYTES, 8);
        private boolean stopped;

        @Override
        public void run() {
            while (!stopped) {
                queue.await(this::arrived);
            }
            queue.close();
            Linux.close(stop);
            arena.close();
        }

        private void arrived(long key) {
            if (key == STOP) {
                stopped = true;
                return;
            }
            Watched watched = files.get(key);
            if (watched != null) {
                watched.arrived(this);
            }
        }

        /** Somebody else may have read it meanwhile: this must not wait. */
        void reset(int file) {
            Linux.readNow(file, count.address(), Long.BYTES, vector);
        }

        void end() {
            Linux.write(stop, ONE.address(), Long.BYTES);
        }
    }

    /** @param file an eventfd, open until the result is closed @throws IommufdException if there may be no more files */
    synchronized Watched add(int file, Runnable listener) {
        if (worker == null) {
            Worker started = new Worker();
            started.queue.add(started.stop, STOP);
            Thread.ofPlatform().name("devnode-signals").daemon().start(started);
            worker = started;
        }
        Watched watched = new Watched(file, listener, nextKey.incrementAndGet());
        files.put(watched.key, watched);
        try {
            worker.queue.add(file, watched.key);
        } catch (IommufdException refused) {
            remove(watched);
            throw refused;
        }
        return watched;
    }

    private synchronized void remove(Watched watched) {
        if (files.remove(watched.key) == null) {
            return;
        }
        worker.queue.remove(watched.file);
        if (files.isEmpty()) {
            worker.end();
            worker = null;
        }
    }
}
