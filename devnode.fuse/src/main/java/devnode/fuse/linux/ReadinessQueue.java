package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Waits until one file can be read (epoll(7)). Of several threads that wait for the same file, each with a queue of its own, only one
 * is woken for each thing to read. For one thread.
 */
public final class ReadinessQueue implements AutoCloseable {
    private static final MethodHandle CREATE = CLibrary.function("epoll_create1", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle CONTROL = CLibrary.function("epoll_ctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle WAIT = CLibrary.function("epoll_wait", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT));
    private static final int EPOLL_CLOEXEC = Linux.O_CLOEXEC;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLLIN = 1;
    private static final int EPOLLEXCLUSIVE = 1 << 28;
    private static final int EVENT_BYTES = 16;

    private final int queue;
    private final MemorySegment event;

    /** @param arena for as long as the queue lives */
    public ReadinessQueue(Arena arena, int file) {
        event = arena.allocate(EVENT_BYTES, 8);
        event.set(JAVA_INT, 0, EPOLLIN | EPOLLEXCLUSIVE);
        try {
            MemorySegment state = CLibrary.state();
            queue = ErrorNumber.check("epoll_create1", CLibrary.result((int) CREATE.invokeExact(state, EPOLL_CLOEXEC), state));
            ErrorNumber.check("epoll_ctl", CLibrary.result((int) CONTROL.invokeExact(state, queue, EPOLL_CTL_ADD, file, event.address()), state));
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Waits until there is something to read, an error, or nothing after all. */
    public void await() {
        final int forEver = -1;
        try {
            int count = (int) WAIT.invokeExact(CLibrary.state(), queue, event.address(), 1, forEver);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    @Override
    public void close() {
        Linux.close(queue);
    }
}
