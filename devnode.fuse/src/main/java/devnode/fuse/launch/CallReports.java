package devnode.fuse.launch;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import devnode.fuse.client.ClientCall;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.FuseServer;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers the calls that a {@link CallFilter} reports, until the last filtered process has ended, even if the server has stopped:
 * programs could not go on. Those of other files are let through. One thread at a time waits for reports, and answers what it got;
 * another one is always left to wait.
 *
 * <p>A filtered thread of ours must not load classes: the files they come from are looked at by stat(2), which waits for a
 * thread here, which may wait for a class loader that the filtered thread holds.
 */
public final class CallReports {
    private static final Logger LOG = LoggerFactory.getLogger(CallReports.class);
    /** Threads that stay after a rush. */
    private static final int MAX_IDLE = 3;
    private static final int NONE = -1;
    private static final long RECEIVE = 0xC050_2100L;
    private static final long SEND = 0xC018_2101L;
    private static final long IS_VALID = 0x4008_2102L;
    private static final long ADD_DESCRIPTOR = 0x4018_2103L;
    private static final int READ = Architecture.current().read();
    private static final int O_CLOEXEC = Linux.O_CLOEXEC;

    private final FuseServer server;
    private final CountDownLatch begun = new CountDownLatch(1);
    private final ReentrantLock receiving = new ReentrantLock();
    private final AtomicInteger idle = new AtomicInteger();
    private final AtomicInteger alive = new AtomicInteger();
    private volatile int listener = NONE;
    private volatile boolean ended;

    /** @param server whose nodes the calls may be of */
    public CallReports(FuseServer server) {
        this.server = server;
    }

    /** Filters the calling thread. The threads that answer are not. @throws IommufdException if the system does not allow it */
    void filterThisThread(CallFilter filter) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = filter.program(arena);
            int refused = CallFilter.install(arena.allocate(16, 8)); // a rehearsal: an empty program
            start();
            int from = CallFilter.install(program);
            begin(from >= 0 ? from : NONE);
            ErrorNumber.check("no seccomp filter can be installed: CAP_SYS_ADMIN and a kernel with user notification (5.9) are needed",
                    refused == -ErrorNumber.EINVAL ? from : refused);
        }
    }

    /** Answers the reports that come from a descriptor of a filter, which is closed at the end. */
    public void answer(int from) {
        start();
        begin(from);
    }

    private void start() {
        new StatReports(server).rehearse();
        startReceiver();
    }

    private void begin(int from) {
        listener = from;
        ended = from == NONE;
        begun.countDown();
    }

    private void startReceiver() {
        alive.incrementAndGet();
        Thread.ofPlatform().name("devnode-calls").daemon().start(new Receiver());
    }

    /** One thread, with a report and its answer ({@code linux/seccomp.h}). */
    private final class Receiver implements Runnable {
        private static final int ID_OFFSET = 0;
        private static final int THREAD_OFFSET = 8;
        private static final int NUMBER_OFFSET = 16;
        private static final int ARGUMENTS_OFFSET = 32;
        private static final int CONTINUE = 1;

        private final MemorySegment report = Arena.ofAuto().allocate(80, 8);
        private final MemorySegment response = Arena.ofAuto().allocate(24, 8);
        private final MemorySegment addition = Arena.ofAuto().allocate(24, 8);
        private final ClientCall call = server.newCall();
        private final StatReports stat = new StatReports(server);

        @Override
        public void run() {
            try {
                begun.await();
                while (awaitReport()) {
                    if (idle.decrementAndGet() == 0) {
                        startReceiver();
                    }
                    answerReport();
                    if (idle.get() >= MAX_IDLE) {
                        return;
                    }
                }
            } catch (InterruptedException nobodyDoes) {
                Thread.currentThread().interrupt();
            } finally {
                // What is still reported fails with ENOSYS once this is closed.
                if (alive.decrementAndGet() == 0 && listener != NONE) {
                    Linux.close(listener);
                }
            }
        }

        /** @return false at the end */
        private boolean awaitReport() {
            idle.incrementAndGet();
            receiving.lock();
            try {
                while (!ended) {
                    int events = Linux.poll(listener, Linux.POLLIN, -1);
                    if (events > 0 && (events & Linux.POLLIN) != 0) {
                        report.fill((byte) 0);
                        if (Linux.ioctl(listener, RECEIVE, report.address()) >= 0) { // else the client is gone already
                            return true;
                        }
                    } else if (events > 0 || events < 0 && events != -ErrorNumber.EINTR) {
                        ended = true;
                    }
                }
                return false;
            } finally {
                receiving.unlock();
            }
        }

        private void answerReport() {
            try {
                answer();
            } catch (RuntimeException | Error failed) {
                LOG.error("a call that was reported failed", failed);
                send(0, -ErrorNumber.EIO, 0);
            }
        }

        private void answer() {
            int thread = report.get(JAVA_INT, THREAD_OFFSET);
            int number = report.get(JAVA_INT, NUMBER_OFFSET);
            OptionalInt result = stat.answers(number)
                    ? stat.answer(thread, number, argument(0), argument(1), argument(2), argument(3), argument(4), this::isWaiting)
                    : number == READ ? emptyRead(thread, (int) argument(0))
                    : ioctl(thread, (int) argument(0), (int) argument(1), argument(2));
            if (result.isEmpty()) {
                send(0, 0, CONTINUE);
            } else {
                send(Math.max(0, result.getAsInt()), Math.min(0, result.getAsInt()), 0);
            }
        }

        private OptionalInt ioctl(int thread, int number, int request, long argument) {
            call.begin(thread);
            try {
                return server.ioctl(call, number, request, argument, this::addDescriptor);
            } catch (IommufdException refused) {
                return OptionalInt.of(-refused.errno().number());
            }
        }

        private OptionalInt emptyRead(int thread, int number) {
            try {
                return server.emptyRead(call.begin(thread), number);
            } catch (IommufdException noSuchFile) {
                return OptionalInt.empty(); // the kernel finds that too
            }
        }

        private long argument(int index) {
            return report.get(JAVA_LONG, ARGUMENTS_OFFSET + 8L * index);
        }

        private boolean isWaiting() {
            return Linux.ioctl(listener, IS_VALID, report.address() + ID_OFFSET) >= 0;
        }

        private int addDescriptor(int descriptor, boolean closeOnExec) {
            if (!isWaiting()) {
                throw new IommufdException(Errno.EINTR, "the client is gone");
            }
            addition.fill((byte) 0);
            addition.set(JAVA_LONG, 0, report.get(JAVA_LONG, ID_OFFSET));
            addition.set(JAVA_INT, 12, descriptor);
            addition.set(JAVA_INT, 20, closeOnExec ? O_CLOEXEC : 0);
            return ErrorNumber.check("the client cannot open one more file", Linux.ioctl(listener, ADD_DESCRIPTOR, addition.address()));
        }

        private void send(long value, int error, int flags) {
            response.set(JAVA_LONG, 0, report.get(JAVA_LONG, ID_OFFSET));
            response.set(JAVA_LONG, 8, value);
            response.set(JAVA_INT, 16, error);
            response.set(JAVA_INT, 20, flags);
            int sent = Linux.ioctl(listener, SEND, response.address());
            if (sent < 0 && sent != -ErrorNumber.ENOENT) {
                LOG.warn("the answer to a call that was reported was not taken, errno {}", -sent);
            }
        }
    }
}
