package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Tells each time that something arrives at one of many files (epoll(7), edge-triggered). Files are added by any thread, one waits. */
public final class EventQueue implements AutoCloseable {
    private static final MethodHandle CREATE = CLibrary.function("epoll_create1", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle CONTROL = CLibrary.function("epoll_ctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle WAIT = CLibrary.function("epoll_wait", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT));
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CTL_DEL = 2;
    private static final int EPOLLIN = 1;
    private static final int EPOLLET = 1 << 31;
    /** x86-64 packs {@code struct epoll_event}. */
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");
    private static final int EVENT_BYTES = PACKED ? 12 : 16;
    private static final int KEY_OFFSET = PACKED ? 4 : 8;
    private static final int MOST_EVENTS = 64;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment events = arena.allocate((long) EVENT_BYTES * MOST_EVENTS, 8);
    private final int queue;

    /** Told what happened. */
    @FunctionalInterface
    public interface Arrival {
        void at(long key);
    }

    /** @throws IommufdException if there may be no more files */
    public EventQueue() {
        try {
            MemorySegment state = CLibrary.state();
            queue = ErrorNumber.check("epoll_create1", CLibrary.result((int) CREATE.invokeExact(state, Linux.O_CLOEXEC), state));
        } catch (Throwable thrown) {
            arena.close();
            throw CLibrary.impossible(thrown);
        }
    }

    /** @param key what {@link #await} tells @throws IommufdException {@link Errno#EPERM} for a file that nothing arrives at */
    public void add(int file, long key) {
        try (Arena own = Arena.ofConfined()) {
            MemorySegment event = own.allocate(EVENT_BYTES, 8);
            event.set(JAVA_INT, 0, EPOLLIN | EPOLLET);
            event.set(JAVA_LONG_UNALIGNED, KEY_OFFSET, key);
            ErrorNumber.check("the file cannot be watched", control(EPOLL_CTL_ADD, file, event.address()));
        }
    }

    public void remove(int file) {
        control(EPOLL_CTL_DEL, file, 0);
    }

    private long control(int operation, int file, long event) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((int) CONTROL.invokeExact(state, queue, operation, file, event), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Waits until something arrives, and tells it. */
    public void await(Arrival arrival) {
        try {
            int count = (int) WAIT.invokeExact(CLibrary.state(), queue, events.address(), MOST_EVENTS, -1);
            for (int i = 0; i < count; i++) {
                arrival.at(events.get(JAVA_LONG_UNALIGNED, (long) i * EVENT_BYTES + KEY_OFFSET));
            }
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Nobody waits any more. */
    @Override
    public void close() {
        Linux.close(queue);
        arena.close();
    }
}
