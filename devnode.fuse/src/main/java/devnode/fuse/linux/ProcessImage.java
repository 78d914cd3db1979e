package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;

/** A program that this process may become (execvp(3)). For one thread. */
public final class ProcessImage implements AutoCloseable {
    private static final MethodHandle EXECVP = CLibrary.function("execvp", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    private static final MethodHandle SIGMASK = CLibrary.plain("pthread_sigmask", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));
    private static final MethodHandle CLOSE_RANGE = CLibrary.function("close_range", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final int SIG_SETMASK = 2;
    private static final int SIGNAL_SET_BYTES = 128;
    private static final int CLOSE_ON_EXEC = 4;
    private static final int FIRST_OTHER_FILE = 3;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment program;
    private final MemorySegment arguments;
    private final MemorySegment noSignals = arena.allocate(SIGNAL_SET_BYTES, 8);

    public ProcessImage(List<String> command) {
        program = arena.allocateFrom(command.getFirst());
        arguments = Spawn.words(arena, command);
    }

    /**
     * The process becomes the program, with the environment, namespaces and filters of the calling thread, its standard files and no
     * others, and no signal blocked.
     *
     * @return only if it fails: minus an error number
     */
    public int enter() {
        try {
            MemorySegment state = CLibrary.state();
            int closed = (int) CLOSE_RANGE.invokeExact(state, FIRST_OTHER_FILE, -1, CLOSE_ON_EXEC);
            int unblocked = (int) SIGMASK.invokeExact(SIG_SETMASK, noSignals, MemorySegment.NULL);
            return (int) CLibrary.result((int) EXECVP.invokeExact(state, program, arguments), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
