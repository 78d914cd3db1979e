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

/** A seccomp filter (classic BPF, {@code linux/filter.h}) that reports some ioctls to us and lets everything else pass. */
final class DescriptorFilter {
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
    /** Jumps are a byte wide. */
    private static final int MAX_REQUESTS = 200;
    private static final long SET_MODE_FILTER = 1;
    private static final long NEW_LISTENER = 1 << 3;
    private static final long WAIT_KILLABLE_RECV = 1 << 5;

    private DescriptorFilter() {}

    /**
     * Filters the calling thread, and all threads and processes it starts, for ever.
     *
     * @return the descriptor that the reports come from
     * @throws IommufdException if the system does not allow it
     */
    static int install(SortedSet<Integer> requests) {
        if (requests.size() > MAX_REQUESTS) {
            throw new IommufdException(Errno.E2BIG, "nodes name %d requests that open files, only %d can be watched".formatted(requests.size(), MAX_REQUESTS));
        }
        Architecture architecture = Architecture.current();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment instructions = program(arena, architecture, List.copyOf(requests));
            MemorySegment program = arena.allocate(16, 8);
            program.set(JAVA_SHORT, 0, (short) (instructions.byteSize() / INSTRUCTION_BYTES));
            program.set(JAVA_LONG, 8, instructions.address());
            long listener = Linux.syscall(architecture.seccomp(), SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV, program.address());
            if (listener == -Errno.EINVAL.number()) { // Linux before 5.19
                listener = Linux.syscall(architecture.seccomp(), SET_MODE_FILTER, NEW_LISTENER, program.address());
            }
            return ErrorNumber.check("no seccomp filter can be installed: CAP_SYS_ADMIN and a kernel with user notification (5.9) are needed", listener);
        }
    }

    private static MemorySegment program(Arena arena, Architecture architecture, List<Integer> requests) {
        int allow = 5 + requests.size();
        int notify = allow + 1;
        MemorySegment program = arena.allocate((notify + 1L) * INSTRUCTION_BYTES, 8);
        put(program, 0, LOAD, 0, 0, ARCHITECTURE_OFFSET);
        put(program, 1, JUMP_IF_EQUAL, 0, allow - 2, architecture.audit());
        put(program, 2, LOAD, 0, 0, NUMBER_OFFSET);
        put(program, 3, JUMP_IF_EQUAL, 0, allow - 4, architecture.ioctl());
        put(program, 4, LOAD, 0, 0, SECOND_ARGUMENT_OFFSET);
        for (int i = 0; i < requests.size(); i++) {
            put(program, 5 + i, JUMP_IF_EQUAL, notify - (6 + i), 0, requests.get(i));
        }
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
