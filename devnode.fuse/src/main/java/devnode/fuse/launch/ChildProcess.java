package devnode.fuse.launch;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.linux.Spawn;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientLauncher;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A process that inherits terminal, environment, working directory, namespaces and filters of the thread that starts it. Started by
 * system call: Java's own way goes through a helper process and threads that would inherit all that as well.
 */
final class ChildProcess {
    private static final int SIGNALED = 128;

    private int process;
    private boolean ended;

    /** @return 0, or the error number of why it could not be started */
    synchronized int start(Spawn spawn) {
        int started = spawn.start();
        process = Math.max(0, started);
        ended = started < 0;
        return Math.max(0, -started);
    }

    /** Does once what {@link #start} and {@link #await} do. */
    void rehearse() {
        try (Arena arena = Arena.ofConfined()) {
            Linux.waitpid(Integer.MAX_VALUE, arena.allocate(JAVA_INT)); // there is no such child
        }
    }

    /** Sends a signal, unless the process has not started or has ended. */
    synchronized void signal(int number) {
        if (process > 0 && !ended) {
            Linux.kill(process, number);
        }
    }

    /** Waits for its end, on whatever thread. @return its exit code, or 128 + the signal that ended it */
    int await() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(JAVA_INT);
            int result;
            do {
                result = Linux.waitpid(process, status);
            } while (result == -ErrorNumber.EINTR);
            synchronized (this) {
                ended = true;
            }
            ErrorNumber.check("the program cannot be waited for", result);
            int wait = status.get(JAVA_INT, 0);
            int signal = wait & 0x7f;
            return signal == 0 ? wait >> 8 & 0xff : SIGNALED + signal;
        }
    }

    /** The exit code by convention for a program that could not be started. @throws IommufdException if it is not the program's fault */
    static int exitCodeFor(String program, int error) {
        final int noExec = 8;
        final int accessDenied = 13;
        final int notDirectory = 20;
        return switch (error) {
            case ErrorNumber.ENOENT, notDirectory -> ClientLauncher.NOT_FOUND;
            case noExec, accessDenied, ErrorNumber.EPERM -> ClientLauncher.NOT_EXECUTABLE;
            default -> throw ErrorNumber.failure(program + " cannot be started", -error);
        };
    }
}
