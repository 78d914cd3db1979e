package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.linux.ReadinessQueue;
import devnode.fuse.server.Message.In;
import java.lang.foreign.Arena;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that reads requests and answers them. Only one at a time reads, and what must be done in order it does before the next one
 * may read: so an open(2) never overtakes the close(2) before it. What may wait is done outside of that lock.
 *
 * <p>Nobody waits for requests with the lock: the kernel wakes one thread for each, and a thread that waits for the lock would have to
 * be woken for nothing most of the time, which costs more than the whole request.
 */
final class Reader implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Reader.class);

    private static final int SPINS = 200;

    private final FuseServer server;
    private final ReadOrder order;
    private long unique;
    private Object callee;

    /** What the readers of one connection share. */
    static final class ReadOrder {
        private final ReentrantLock reading = new ReentrantLock();
        private final Bursts bursts;
        /** Readers that wait for a request. */
        final AtomicInteger idle = new AtomicInteger();

        ReadOrder(Bursts bursts) {
            this.bursts = bursts;
        }

        /** It is never held for long. */
        private void lock() {
            for (int i = 0; i < SPINS; i++) {
                if (reading.tryLock()) {
                    return;
                }
                Thread.onSpinWait();
            }
            reading.lock();
        }
    }

    Reader(FuseServer server, ReadOrder order) {
        this.server = server;
        this.order = order;
    }

    @Override
    public void run() {
        try (Arena arena = Arena.ofConfined(); ReadinessQueue ready = new ReadinessQueue(arena, server.device())) {
            Exchange exchange = new Exchange(arena, server.device());
            Requests requests = new Requests(server, this, exchange, server.newCall());
            while (readAndAnswer(ready, exchange, requests)) {
                if (order.idle.get() >= FuseServer.MAX_IDLE_READERS) {
                    return;
                }
            }
        } finally {
            server.readerEnds(this);
        }
    }

    /** @return false at the end of the connection */
    private boolean readAndAnswer(ReadinessQueue ready, Exchange exchange, Requests requests) {
        long length;
        boolean mayWait = false;
        order.idle.incrementAndGet();
        ready.await();
        order.lock();
        try {
            length = Linux.read(server.device(), exchange.in.address(), Exchange.BUFFER_BYTES);
            if (length >= In.PAYLOAD) {
                exchange.begin();
                mayWait = requests.mayWait();
                if (mayWait) {
                    order.bursts.request();
                    begin(exchange.unique);
                } else {
                    answer(exchange, requests);
                    Thread.interrupted(); // what a node's close left behind is nothing to the next request
                }
            }
        } finally {
            order.reading.unlock();
        }
        boolean lastIdle = order.idle.decrementAndGet() == 0;
        if (mayWait) {
            try {
                if (lastIdle && !server.startReader()) {
                    requests.refuse();
                } else {
                    answer(exchange, requests);
                }
            } finally {
                end();
            }
        }
        return length >= 0 || goesOn((int) -length);
    }

    private static void answer(Exchange exchange, Requests requests) {
        try {
            requests.answer();
        } catch (RuntimeException | Error failed) {
            LOG.error("request {} of FUSE failed", exchange.opcode, failed);
            exchange.replyIfOwed(-ErrorNumber.EIO);
        }
    }

    private boolean goesOn(int error) {
        return switch (error) {
            case ErrorNumber.EINTR, ErrorNumber.EAGAIN, ErrorNumber.ENOENT -> true; // the request was taken back
            case ErrorNumber.ENODEV -> false;
            default -> {
                if (!server.isStopping()) {
                    LOG.error("reading /dev/fuse failed with errno {}", error);
                }
                yield false;
            }
        };
    }

    private synchronized void begin(long request) {
        unique = request;
    }

    private synchronized void end() {
        unique = 0;
        callee = null;
        Thread.interrupted(); // too late for it, and nothing to the next request
    }

    /** The request goes into a plugin now. */
    synchronized void enters(Object target) {
        callee = target;
    }

    /** Interrupts a request that is still under way. */
    synchronized void interrupt(Thread thread, long request) {
        if (unique == request) {
            thread.interrupt();
        }
    }

    /** Interrupts a call into a plugin that is still under way. */
    synchronized void interruptCallTo(Thread thread, Object target) {
        if (callee == target) {
            thread.interrupt();
        }
    }
}
