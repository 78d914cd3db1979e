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
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers the ioctls that a {@link DescriptorFilter} reports, until the last filtered process has ended. Those of other files are let
 * through.
 */
final class DescriptorRequests implements Runnable, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DescriptorRequests.class);
    private static final int POLL_MILLIS = 200;
    private static final long RECEIVE = 0xC050_2100L;
    private static final long SEND = 0xC018_2101L;
    private static final long IS_VALID = 0x4008_2102L;
    private static final long ADD_DESCRIPTOR = 0x4018_2103L;
    private static final int O_CLOEXEC = Linux.O_CLOEXEC;

    private final FuseServer server;
    private final int listener;
    private final ExecutorService workers = Executors.newCachedThreadPool(Thread.ofPlatform().name("devnode-request-", 1).daemon().factory());
    private final Queue<Notification> free = new ConcurrentLinkedQueue<>();
    private volatile boolean closing;

    DescriptorRequests(FuseServer server, int listener) {
        this.server = server;
        this.listener = listener;
    }

    @Override
    public void run() {
        try {
            while (!closing) {
                int events = Linux.poll(listener, Linux.POLLIN, POLL_MILLIS);
                if (events > 0 && (events & Linux.POLLIN) != 0) {
                    receive();
                } else if (events > 0 || events < 0 && events != -ErrorNumber.EINTR) {
                    return;
                }
            }
        } finally {
            workers.shutdown();
            // What is still reported fails with ENOSYS once this is closed.
            Linux.close(listener);
        }
    }

    /** Ends {@link #run} soon. */
    @Override
    public void close() {
        closing = true;
    }

    private void receive() {
        Notification taken = free.poll();
        Notification notification = taken == null ? new Notification() : taken;
        if (notification.receive()) {
            workers.execute(notification);
        } else {
            free.add(notification);
        }
    }

    /** One report and its answer ({@code linux/seccomp.h}); reused. */
    private final class Notification implements Runnable {
        private static final int ID_OFFSET = 0;
        private static final int THREAD_OFFSET = 8;
        private static final int ARGUMENTS_OFFSET = 32;
        private static final int CONTINUE = 1;

        private final MemorySegment report = Arena.ofAuto().allocate(80, 8);
        private final MemorySegment response = Arena.ofAuto().allocate(24, 8);
        private final MemorySegment addition = Arena.ofAuto().allocate(24, 8);
        private final ClientCall call = server.newCall();

        boolean receive() {
            report.fill((byte) 0);
            return Linux.ioctl(listener, RECEIVE, report.address()) >= 0; // else the client is gone already
        }

        @Override
        public void run() {
            try {
                answer();
            } catch (RuntimeException | Error failed) {
                LOG.error("a request that opens files failed", failed);
                send(0, -ErrorNumber.EIO, 0);
            } finally {
                free.add(this);
            }
        }

        private void answer() {
            int number = (int) report.get(JAVA_LONG, ARGUMENTS_OFFSET);
            int request = (int) report.get(JAVA_LONG, ARGUMENTS_OFFSET + 8);
            long argument = report.get(JAVA_LONG, ARGUMENTS_OFFSET + 16);
            call.begin(report.get(JAVA_INT, THREAD_OFFSET));
            OptionalInt result;
            try {
                result = server.ioctl(call, number, request, argument, this::addDescriptor);
            } catch (IommufdException refused) {
                result = OptionalInt.of(-refused.errno().number());
            }
            if (result.isEmpty()) {
                send(0, 0, CONTINUE);
            } else {
                send(Math.max(0, result.getAsInt()), Math.min(0, result.getAsInt()), 0);
            }
        }

        private int addDescriptor(int descriptor, boolean closeOnExec) {
            if (Linux.ioctl(listener, IS_VALID, report.address() + ID_OFFSET) < 0) {
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
                LOG.warn("the answer to a request that opens files was not taken, errno {}", -sent);
            }
        }
    }
}
