package devnode.fuse.attach;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import devnode.fuse.launch.CallFilter;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.linux.ProcessImage;
import devnode.fuse.linux.UnixSocket;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * {@code ./vmm exec --attach}: this process becomes a program that finds the nodes of a runtime that is up. So whoever started it has
 * the program itself: terminal, job control, signals, limits, user, exit code are as if there were nothing in between. Needs no OSGi.
 */
public final class Attach {
    /** By convention of programs that run programs: it is us who failed. */
    private static final int NOT_STARTED = 125;
    private static final int NOT_EXECUTABLE = 126;
    private static final int NOT_FOUND = 127;
    private static final int CLONE_FS = 0x200;
    private static final int CLONE_NEWNS = 0x20000;
    private static final String USAGE = "Usage: ./vmm exec --attach [NAME] [--char-devices] -- COMMAND [ARGUMENT...]";

    private Attach() {}

    /** @param arguments {@code [--attach [NAME]] [--char-devices] -- COMMAND [ARGUMENT...]} */
    public static void main(String... arguments) {
        System.exit(run(List.of(arguments)));
    }

    /** @return only if the program cannot be started: an exit code */
    private static int run(List<String> arguments) {
        Optional<String> name = Optional.empty();
        String request = AttachMessage.FILES;
        int next = 0;
        while (next < arguments.size() && !arguments.get(next).equals("--")) {
            String option = arguments.get(next++);
            if (option.equals("--char-devices")) {
                request = AttachMessage.CHARACTER_DEVICES;
            } else if (option.equals("--attach")) {
                if (next < arguments.size() && !arguments.get(next).startsWith("-")) {
                    name = Optional.of(arguments.get(next++));
                }
            } else {
                return usage();
            }
        }
        List<String> command = arguments.subList(Math.min(next + 1, arguments.size()), arguments.size());
        if (command.isEmpty()) {
            return usage();
        }
        try {
            return become(RuntimeDirectory.ofUser().find(name), request, command);
        } catch (IommufdException refused) {
            System.err.println("vmm exec: " + refused.getMessage());
            return NOT_STARTED;
        }
    }

    private static int usage() {
        System.err.println(USAGE);
        return NOT_STARTED;
    }

    private static int become(RuntimeDirectory.Listening runtime, String request, List<String> command) {
        try (UnixSocket socket = UnixSocket.connect(runtime.socket()); ProcessImage image = new ProcessImage(command)) {
            socket.send(AttachMessage.bytes(request), UnixSocket.NO_FILE);
            UnixSocket.Message answer = socket.receive();
            byte[] ok = AttachMessage.ok();
            if (answer.file() == UnixSocket.NO_FILE || !Arrays.equals(ok, Arrays.copyOf(answer.bytes(), ok.length))) {
                throw new IommufdException(Errno.ENODEV, refusal(runtime, answer.bytes()));
            }
            enter(answer.file());
            byte[] instructions = Arrays.copyOfRange(answer.bytes(), ok.length, answer.bytes().length);
            if (instructions.length > 0) {
                filter(socket, instructions);
            }
            return exitCode(command.getFirst(), -image.enter());
        }
    }

    private static String refusal(RuntimeDirectory.Listening runtime, byte[] answer) {
        String text = new String(answer, StandardCharsets.UTF_8);
        return text.startsWith(AttachMessage.REFUSED) ? "runtime " + runtime + ": " + text.substring(AttachMessage.REFUSED.length())
                : "runtime " + runtime + " did not answer as expected: it is of another version, or is just stopping";
    }

    private static void enter(int namespace) {
        String directory = Path.of("").toAbsolutePath().toString();
        ErrorNumber.check("this thread cannot get a working directory of its own", Linux.unshare(CLONE_FS));
        ErrorNumber.check("the namespace of the nodes cannot be entered: CAP_SYS_ADMIN and CAP_SYS_CHROOT are needed (run as root)",
                Linux.setns(namespace, CLONE_NEWNS));
        ErrorNumber.check("the working directory cannot be entered", Linux.changeDirectory(directory));
    }

    /** From the filter on until the runtime answers, this thread does nothing for the first time: loading a class may call stat(2). */
    private static void filter(UnixSocket socket, byte[] instructions) {
        byte[] listen = AttachMessage.listen();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = CallFilter.program(arena, arena.allocateFrom(JAVA_BYTE, instructions));
            CallFilter.install(arena.allocate(16, 8)); // a rehearsal: an empty program
            int listener = CallFilter.install(program);
            if (listener >= 0) {
                socket.send(listen, listener);
            }
            ErrorNumber.check("no seccomp filter can be installed: CAP_SYS_ADMIN and a kernel with user notification (5.9) are needed", listener);
        }
        if (!Arrays.equals(AttachMessage.go(), socket.receive().bytes())) {
            throw new IommufdException(Errno.ENODEV, "the runtime has stopped");
        }
    }

    private static int exitCode(String program, int error) {
        boolean missing = error == Errno.ENOENT.number();
        System.err.printf("%s: %s%n", program, missing ? "no such program" : "cannot be executed (errno " + error + ")");
        return missing ? NOT_FOUND : NOT_EXECUTABLE;
    }
}
