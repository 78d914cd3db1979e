package devnode.fuse.launch;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SortedSet;
import java.util.stream.IntStream;

/**
 * A seccomp filter (classic BPF, {@code linux/filter.h}) that reports some ioctls, read(2) of 0 bytes, and if wanted stat(2) and the
 * like, to us and lets everything else pass.
 */
public final class CallFilter {
    private static final int LOAD = 0x20;
    private static final int JUMP_IF_EQUAL = 0x15;
    private static final int RETURN = 0x06;
    private static final int INSTRUCTION_BYTES = 8;
    private static final int ALLOW = 0x7fff_0000;
    private static final int NOTIFY = 0x7fc0_0000;
    /** In {@code struct seccomp_data}. */
    private static final int NUMBER_OFFSET = 0;
    private static final int ARCHITECTURE_OFFSET = 4;
    private static final int SECOND_ARGUMENT_OFFSET = 24;
    private static final int THIRD_ARGUMENT_OFFSET = 32;
    /** Jumps are a byte wide. */
    private static final int MAX_REQUESTS = 200;
    private static final long SET_MODE_FILTER = 1;
    private static final long NEW_LISTENER = 1 << 3;
    private static final long WAIT_KILLABLE_RECV = 1 << 5;

    private final Architecture architecture;
    private final List<Integer> requests;
    private final List<Integer> statCalls;

    /**
     * @param requests ioctls that are reported
     * @param statToo whether stat(2) and the like are
     * @throws IommufdException {@link Errno#E2BIG} if there are too many
     */
    public CallFilter(SortedSet<Integer> requests, boolean statToo) {
        if (requests.size() > MAX_REQUESTS) {
            throw new IommufdException(Errno.E2BIG, "nodes name %d requests that open files, only %d can be watched".formatted(requests.size(), MAX_REQUESTS));
        }
        this.architecture = Architecture.current();
        this.requests = List.copyOf(requests);
        this.statCalls = !statToo ? List.of()
                : IntStream.of(architecture.newfstatat(), architecture.fstat(), architecture.statx(), architecture.stat(), architecture.lstat())
                        .filter(number -> number != Architecture.NONE).boxed().toList();
    }

    /** Whether there is nothing to report. */
    boolean isEmpty() {
        return requests.isEmpty() && statCalls.isEmpty();
    }

    /** {@code struct sock_filter[]}, for {@link #program}; none if there is nothing to report. */
    public byte[] instructions() {
        try (Arena arena = Arena.ofConfined()) {
            return isEmpty() ? new byte[0] : instructions(arena).toArray(JAVA_BYTE);
        }
    }

    MemorySegment program(Arena arena) {
        return program(arena, instructions(arena));
    }

    /** {@code struct sock_fprog}. */
    public static MemorySegment program(Arena arena, MemorySegment instructions) {
        MemorySegment program = arena.allocate(16, 8);
        program.set(JAVA_SHORT, 0, (short) (instructions.byteSize() / INSTRUCTION_BYTES));
        program.set(JAVA_LONG, 8, instructions.address());
        return program;
    }

    /**
     * Filters the calling thread, and all threads and processes it starts, for ever. Loads no class if it was called before, with an
     * empty program for instance.
     *
     * @param program of {@link #program}
     * @return the descriptor that the reports come from, or minus an error number
     */
    public static int install(MemorySegment program) {
        int seccomp = Architecture.current().seccomp();
        long listener = Linux.syscall(seccomp, SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV, program.address());
        if (listener == -ErrorNumber.EINVAL) { // Linux before 5.19
            listener = Linux.syscall(seccomp, SET_MODE_FILTER, NEW_LISTENER, program.address());
        }
        return (int) listener;
    }

    private MemorySegment instructions(Arena arena) {
        int ioctls = 3 + statCalls.size();
        int reads = ioctls + 3 + requests.size();
        int allow = reads + 5;
        int notify = allow + 1;
        MemorySegment program = arena.allocate((notify + 1L) * INSTRUCTION_BYTES, 8);
        put(program, 0, LOAD, 0, 0, ARCHITECTURE_OFFSET);
        put(program, 1, JUMP_IF_EQUAL, 0, allow - 2, architecture.audit());
        put(program, 2, LOAD, 0, 0, NUMBER_OFFSET);
        for (int i = 0; i < statCalls.size(); i++) {
            put(program, 3 + i, JUMP_IF_EQUAL, notify - (4 + i), 0, statCalls.get(i));
        }
        put(program, ioctls, JUMP_IF_EQUAL, 0, reads - (ioctls + 1), architecture.ioctl());
        put(program, ioctls + 1, LOAD, 0, 0, SECOND_ARGUMENT_OFFSET);
        for (int i = 0; i < requests.size(); i++) {
            put(program, ioctls + 2 + i, JUMP_IF_EQUAL, notify - (ioctls + 3 + i), 0, requests.get(i));
        }
        put(program, reads - 1, RETURN, 0, 0, ALLOW);
        put(program, reads, JUMP_IF_EQUAL, 0, allow - (reads + 1), architecture.read());
        put(program, reads + 1, LOAD, 0, 0, THIRD_ARGUMENT_OFFSET);
        put(program, reads + 2, JUMP_IF_EQUAL, 0, allow - (reads + 3), 0);
        put(program, reads + 3, LOAD, 0, 0, THIRD_ARGUMENT_OFFSET + Integer.BYTES);
        put(program, reads + 4, JUMP_IF_EQUAL, notify - (reads + 5), 0, 0);
        put(program, allow, RETURN, 0, 0, ALLOW);
        put(program, notify, RETURN, 0, 0, NOTIFY);
        return program;
    }

    /** {@code struct sock_filter}. */
    private static void put(MemorySegment program, int index, int code, int ifTrue, int ifFalse, int operand) {
        long at = (long) index * INSTRUCTION_BYTES;
        program.set(JAVA_SHORT, at, (short) code);
        program.set(JAVA_BYTE, at + 2, (byte) ifTrue);
        program.set(JAVA_BYTE, at + 3, (byte) ifFalse);
        program.set(JAVA_INT, at + 4, operand);
    }
}
