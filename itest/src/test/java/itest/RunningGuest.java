package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.node.ClientLauncher;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.osgi.framework.BundleContext;

/** A guest of QEMU (itest/clients/guest.sh), or a pair of them, that a runtime inside this process has launched, while it runs. */
final class RunningGuest implements AutoCloseable {
    private static final Path SCRIPTS = Path.of("").toAbsolutePath().getParent().resolve("itest/clients");
    private static final int SKIPPED = 77;
    /** It may have to be fetched first. */
    private static final long SECONDS_AT_MOST = 120;
    private static final Pattern PROGRESS = Pattern.compile("^@@ (?:churn blocks|stream bytes)=(\\d+)", Pattern.MULTILINE);

    private final Path report;
    private final FutureTask<Integer> program;

    private RunningGuest(Path report, FutureTask<Integer> program) {
        this.report = report;
        this.program = program;
    }

    static RunningGuest start(BundleContext context, String... arguments) throws IOException {
        return run(context, "guest.sh", arguments);
    }

    /** Two that speak to each other. */
    static RunningGuest startPair(BundleContext context, String... arguments) throws IOException {
        return run(context, "guest-pair.sh", arguments);
    }

    private static RunningGuest run(BundleContext context, String script, String... arguments) throws IOException {
        Path report = Files.createTempFile("vmm-guest", ".txt");
        List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$0\" \"$@\" >" + report + " 2>&1", SCRIPTS.resolve(script).toString()));
        command.addAll(List.of(arguments));
        ClientLauncher launcher = Bundles.service(context, ClientLauncher.class);
        FutureTask<Integer> program = new FutureTask<>(() -> launcher.run(command));
        Thread.ofPlatform().daemon().name("guest").start(program);
        return new RunningGuest(report, program);
    }

    /** What it has said so far. */
    String said() {
        try {
            return Files.readString(report);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private long progress() {
        long done = -1;
        for (Matcher line = PROGRESS.matcher(said()); line.find();) {
            done = Long.parseLong(line.group(1));
        }
        return done;
    }

    /** Waits until it has done more input and output than it had. Skips the test if it cannot run here. */
    void awaitProgress() {
        long before = progress();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_AT_MOST);
        while (progress() <= before || progress() < 1) {
            assumeTrue(skipReason(), !skipped());
            assertTrue("the guest does not go on:\n" + said(), !program.isDone() && System.nanoTime() - deadline < 0);
            try {
                Thread.sleep(20);
            } catch (InterruptedException stopped) {
                throw new AssertionError(stopped);
            }
        }
    }

    private boolean skipped() {
        try {
            return program.isDone() && program.get() == SKIPPED;
        } catch (Exception failed) {
            throw new AssertionError(failed);
        }
    }

    private String skipReason() {
        if (skipped()) {
            System.err.println(said().strip());
        }
        return said().strip();
    }

    /** Kills QEMU, without warning. */
    void kill() {
        kill(1);
    }

    /** Kills so many QEMUs, as many as there are. */
    void kill(int machines) {
        List<ProcessHandle> found = ProcessHandle.current().descendants().filter(RunningGuest::isMachine).toList();
        assertEquals("QEMUs that run", machines, found.size());
        found.forEach(machine -> assertTrue(machine.destroyForcibly()));
    }

    private static boolean isMachine(ProcessHandle process) {
        return process.info().arguments().map(Arrays::asList).orElse(List.of()).contains("-kernel")
                && !process.info().command().orElse("").endsWith("/timeout");
    }

    /** Waits for its end. @return its exit code */
    int await() throws Exception {
        int code = program.get(SECONDS_AT_MOST, TimeUnit.SECONDS);
        assumeTrue(skipReason(), code != SKIPPED);
        return code;
    }

    /** Everything it said of that kind. */
    List<String> lines(String kind) {
        return said().lines().filter(line -> line.startsWith("@@ " + kind)).toList();
    }

    @Override
    public void close() throws IOException {
        ProcessHandle.current().descendants().filter(RunningGuest::isMachine).forEach(ProcessHandle::destroyForcibly);
        Files.delete(report);
    }
}
