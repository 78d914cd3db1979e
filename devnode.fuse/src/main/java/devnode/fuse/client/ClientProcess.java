package devnode.fuse.client;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.ClientPins;
import devnode.fuse.memory.ProcessMemory;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongSupplier;

/** A process, from its start or its last execve(2) to the next or its end. Thread-safe. */
final class ClientProcess {
    private static final int CAP_IPC_LOCK = 14;
    private static final int CAP_SYS_RAWIO = 17;
    private static final int CAP_SYS_RESOURCE = 24;
    private static final String LIMIT = "Max locked memory";

    private final int process;
    private final ProcessMemory memory;
    private final int descriptor;
    private final MemorySegment limits = Arena.ofAuto().allocate(Linux.LIMITS_BYTES, 8);
    private long lastLimit;
    private boolean closed;

    /** @throws IommufdException if the process is gone or may not be looked at */
    ClientProcess(int process, ClientPins pins) {
        this.process = process;
        this.descriptor = ErrorNumber.check("process %d cannot be opened".formatted(process), Linux.openProcess(process));
        try {
            memory = new ProcessMemory(process, pins);
        } catch (IommufdException refused) {
            Linux.close(descriptor);
            throw refused;
        }
    }

    /** The process of a thread. */
    static int processOf(int thread) {
        return Integer.parseInt(field(statusOf(thread), "Tgid:"));
    }

    int process() {
        return process;
    }

    ProcessMemory memory() {
        return memory;
    }

    /** Whether a thread is one of this process, and it still runs the same program. */
    boolean isOf(int thread) {
        return Linux.isThreadOf(process, thread) && isAlive();
    }

    /** Whether it still runs the same program. */
    boolean isAlive() {
        return memory.isAlive();
    }

    /** A copy of one of its descriptors. @throws IommufdException {@link Errno#EBADF} */
    synchronized int takeFile(int number) {
        int taken = closed ? -ErrorNumber.ESRCH : Linux.takeFile(descriptor, number);
        if (taken == -ErrorNumber.EBADF || taken == -ErrorNumber.ESRCH) {
            throw new IommufdException(Errno.EBADF, "process %d has no open file %d".formatted(process, number));
        }
        return ErrorNumber.check("cannot take file %d of process %d".formatted(number, process), taken);
    }

    synchronized void close() {
        closed = true;
        Linux.close(descriptor);
        memory.retire();
    }

    /** @param thread whose credentials count */
    ContextOwner owner(int thread) {
        List<String> status = statusOf(thread);
        int user = Integer.parseUnsignedInt(field(status, "Uid:").split("\\s+")[0]);
        long capabilities = capabilities(status, thread);
        long limit = has(capabilities, CAP_IPC_LOCK) ? ContextOwner.UNLIMITED : limitNow();
        return new ContextOwner(process, user, limit, has(capabilities, CAP_SYS_RESOURCE), has(capabilities, CAP_SYS_RAWIO));
    }

    /** As {@link iommufd.api.node.Caller#lockedMemoryLimit}. @param thread whose credentials count */
    LongSupplier lockedMemoryLimit(int thread) {
        limitNow();
        return has(capabilities(statusOf(thread), thread), CAP_IPC_LOCK) ? () -> ContextOwner.UNLIMITED : this::limitNow;
    }

    private static boolean has(long capabilities, int capability) {
        return (capabilities >>> capability & 1) != 0;
    }

    /** Capabilities of another user namespace are worth nothing here. */
    private static boolean inOurUserNamespace(int thread) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/ns/user")).equals(Files.readSymbolicLink(Path.of("/proc/" + thread + "/ns/user")));
        } catch (IOException gone) {
            return false;
        }
    }

    private static long capabilities(List<String> status, int thread) {
        return inOurUserNamespace(thread) ? Long.parseUnsignedLong(field(status, "CapEff:"), 16) : 0;
    }

    /** Only this object's lock, and only system calls under it: it is asked whenever pages are pinned. */
    private synchronized long limitNow() {
        if (!closed) {
            int result = Linux.limits(process, Linux.RLIMIT_MEMLOCK, limits);
            if (result == 0) {
                lastLimit = limits.get(ValueLayout.JAVA_LONG, 0);   // RLIM_INFINITY is UNLIMITED
            } else if (result != -ErrorNumber.ESRCH) {
                lastLimit = limitInText();
            }
        }
        return lastLimit;
    }

    private long limitInText() {
        for (String line : lines(Path.of("/proc/" + process + "/limits"))) {
            if (line.startsWith(LIMIT)) {
                String soft = line.substring(LIMIT.length()).trim().split("\\s+")[0];
                return soft.equals("unlimited") ? ContextOwner.UNLIMITED : Long.parseUnsignedLong(soft);
            }
        }
        return 0;
    }

    private static List<String> statusOf(int thread) {
        return lines(Path.of("/proc/" + thread + "/status"));
    }

    private static String field(List<String> status, String name) {
        return status.stream().filter(line -> line.startsWith(name)).findFirst()
                .map(line -> line.substring(name.length()).trim())
                .orElseThrow(() -> new IommufdException(Errno.EFAULT, "the system does not tell the client's " + name));
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException gone) {
            throw new IommufdException(Errno.EFAULT, file + " cannot be read: the client is gone, or in a process namespace of its own", gone);
        }
    }
}
