package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;

/** A program to be started, once (posix_spawnp(3)). For one thread. */
public final class Spawn implements AutoCloseable {
    private static final MethodHandle SPAWN = CLibrary.plain("posix_spawnp",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
    private static final MethodHandle ACTIONS_INIT = CLibrary.plain("posix_spawn_file_actions_init", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle ACTIONS_DESTROY = CLibrary.plain("posix_spawn_file_actions_destroy", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle CLOSE_FROM = CLibrary.plain("posix_spawn_file_actions_addclosefrom_np",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle ATTRIBUTES_INIT = CLibrary.plain("posix_spawnattr_init", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle ATTRIBUTES_DESTROY = CLibrary.plain("posix_spawnattr_destroy", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle SET_FLAGS = CLibrary.plain("posix_spawnattr_setflags", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_SHORT));
    private static final MethodHandle SET_MASK = CLibrary.plain("posix_spawnattr_setsigmask", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    private static final MemorySegment ENVIRONMENT = CLibrary.symbol("environ").reinterpret(ADDRESS.byteSize());

    /** More than any of the C library's structures here needs. */
    private static final int STRUCT_BYTES = 1024;
    private static final short SET_SIGNAL_MASK = 8;
    private static final int FIRST_OTHER_FILE = 3;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment actions = arena.allocate(STRUCT_BYTES, 16);
    private final MemorySegment attributes = arena.allocate(STRUCT_BYTES, 16);
    private final MemorySegment number = arena.allocate(JAVA_INT);
    private final MemorySegment program;
    private final MemorySegment arguments;

    /** Prepares to start a program with the environment of this process, its standard files and no others, and no signal blocked. */
    public Spawn(List<String> command) {
        program = arena.allocateFrom(command.getFirst());
        arguments = words(arena, command);
        MemorySegment noSignals = arena.allocate(STRUCT_BYTES, 16);
        try {
            int error = (int) ACTIONS_INIT.invokeExact(actions);
            error |= (int) CLOSE_FROM.invokeExact(actions, FIRST_OTHER_FILE);
            error |= (int) ATTRIBUTES_INIT.invokeExact(attributes);
            error |= (int) SET_FLAGS.invokeExact(attributes, SET_SIGNAL_MASK);
            error |= (int) SET_MASK.invokeExact(attributes, noSignals);
            ErrorNumber.check("a program cannot be prepared", -error);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Starts it. Loads no class any more. @return its process number, or minus an error number */
    public int start() {
        try {
            int error = (int) SPAWN.invokeExact(number, program, actions, attributes, arguments, ENVIRONMENT.get(ADDRESS, 0));
            return error == 0 ? number.get(JAVA_INT, 0) : -error;
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    @Override
    public void close() {
        try {
            int ignored = (int) ATTRIBUTES_DESTROY.invokeExact(attributes) + (int) ACTIONS_DESTROY.invokeExact(actions);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
        arena.close();
    }

    static MemorySegment words(Arena arena, List<String> words) {
        MemorySegment array = arena.allocate(ADDRESS, words.size() + 1L);
        for (int i = 0; i < words.size(); i++) {
            array.setAtIndex(ADDRESS, i, arena.allocateFrom(words.get(i)));
        }
        return array;
    }
}
