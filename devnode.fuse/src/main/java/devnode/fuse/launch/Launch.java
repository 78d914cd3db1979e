package devnode.fuse.launch;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Spawn;
import devnode.fuse.server.FuseServer;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** Runs one program. */
public final class Launch {
    private static final int SIGKILL = 9;
    private static final int SIGTERM = 15;
    private static final long PATIENCE_SECONDS = 5;
    private static final int CAP_SYS_PTRACE = 19;
    private static final int CAP_SYS_ADMIN = 21;

    private final FuseServer server;
    private final CallFilter filter;
    private final ChildProcess child = new ChildProcess();

    /**
     * @param descriptorRequests ioctls that may open files in the program
     * @param characterDevices whether the program sees nodes as character devices
     */
    public Launch(FuseServer server, SortedSet<Integer> descriptorRequests, boolean characterDevices) {
        this.server = server;
        this.filter = new CallFilter(descriptorRequests, characterDevices);
    }

    /** @throws IommufdException {@link Errno#EPERM} or {@link Errno#ENODEV} with all that is missing here to launch programs */
    public static void checkRequirements() {
        List<String> missing = new ArrayList<>();
        if (!Files.exists(Path.of("/dev/fuse"))) {
            throw new IommufdException(Errno.ENODEV, "there is no /dev/fuse: load FUSE (modprobe fuse), or pass the device into this container");
        }
        long capabilities = capabilities();
        if ((capabilities >>> CAP_SYS_ADMIN & 1) == 0) {
            missing.add("CAP_SYS_ADMIN (to mount, and to open files in the program)");
        }
        if ((capabilities >>> CAP_SYS_PTRACE & 1) == 0) {
            missing.add("CAP_SYS_PTRACE (to reach the program's memory)");
        }
        if (!missing.isEmpty()) {
            throw new IommufdException(Errno.EPERM, "this needs " + String.join(" and ", missing) + ": run it as root, or give the container these capabilities");
        }
        if (!Files.isReadable(Path.of("/dev/fuse")) || !Files.isWritable(Path.of("/dev/fuse"))) {
            throw new IommufdException(Errno.EPERM, "/dev/fuse may not be opened by this user");
        }
    }

    private static long capabilities() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("CapEff:"))
                    .mapToLong(line -> Long.parseUnsignedLong(line.substring("CapEff:".length()).trim(), 16)).findFirst().orElse(0);
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "/proc is not mounted", e);
        }
    }

    /** As {@link iommufd.api.node.ClientLauncher#run}. */
    public int run(List<String> command) throws InterruptedException {
        CompletableFuture<Integer> exit = new CompletableFuture<>();
        // A thread of its own, which ends with the program: namespace, filter and working directory belong to the thread.
        Thread.ofPlatform().name("devnode-launch").daemon().start(() -> {
            try (SignalRelay relay = new SignalRelay(child)) {
                exit.complete(launch(command));
            } catch (RuntimeException | Error failed) {
                exit.completeExceptionally(failed);
            }
        });
        try {
            return exit.get();
        } catch (InterruptedException interrupted) {
            end(exit);
            throw interrupted;
        } catch (ExecutionException failed) {
            if (failed.getCause() instanceof RuntimeException unchecked) {
                throw unchecked;
            }
            throw new CompletionException(failed.getCause());
        }
    }

    private void end(CompletableFuture<Integer> exit) {
        child.signal(SIGTERM);
        exit.completeOnTimeout(0, PATIENCE_SECONDS, TimeUnit.SECONDS).handle((code, failure) -> code).join();
        child.signal(SIGKILL); // nothing, if it has ended
    }

    private int launch(List<String> command) {
        ClientNamespace.enter(server);
        try (Spawn spawn = new Spawn(command)) {
            if (filter.isEmpty()) {
                return exitCode(command, child.start(spawn));
            }
            child.rehearse();
            // From here to the start of the program this thread does nothing that loads classes, see CallReports.
            new CallReports(server).filterThisThread(filter);
            return exitCode(command, child.start(spawn));
        }
    }

    private int exitCode(List<String> command, int error) {
        if (error != 0) {
            System.err.printf("%s: %s%n", command.getFirst(), error == ErrorNumber.ENOENT ? "no such program" : "cannot be executed (errno " + error + ")");
            return ChildProcess.exitCodeFor(command.getFirst(), error);
        }
        return child.await();
    }
}
