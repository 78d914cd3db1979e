package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Scripts of this project, and programs that {@code ./vmm exec} runs, in the runtime that this build has packaged. */
public final class Vmm {
    /** The project's folder. */
    public static final Path ROOT = Path.of("").toAbsolutePath().getParent();
    private static final int SKIPPED = 77;
    /** The longest is fetching and building Linux's selftests, and running them. */
    private static final String SECONDS_AT_MOST = "900";

    private Vmm() {}

    /**
     * Runs a script and skips the test, and says why, if the script says that it cannot run here.
     *
     * @param what what it is to readers of the log
     * @return what it printed, if it ended well
     */
    public static String script(String what, String script, String... arguments) throws IOException, InterruptedException {
        return run(what, List.of(), script, arguments);
    }

    /**
     * The same for a client of device nodes.
     *
     * @param options of {@code ./vmm exec}: the devices it finds
     */
    public static String client(String what, List<String> options, String script, String... arguments) throws IOException, InterruptedException {
        List<String> launcher = new ArrayList<>(List.of(ROOT.resolve("vmm").toString(), "exec"));
        launcher.addAll(options);
        launcher.add("--");
        return run(what, launcher, script, arguments);
    }

    private static String run(String what, List<String> launcher, String script, String... arguments) throws IOException, InterruptedException {
        useWhatThisBuildMade();
        List<String> command = new ArrayList<>(List.of("timeout", "-k", "10", SECONDS_AT_MOST));
        command.addAll(launcher);
        command.add(ROOT.resolve(script).toString());
        command.addAll(List.of(arguments));
        Process run = new ProcessBuilder(command).redirectErrorStream(true).start();
        run.getOutputStream().close();
        String output = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        int code = run.waitFor();
        System.out.println(what + ": " + output);
        assumeTrue(code != SKIPPED, () -> what + " " + output);
        assertThat(code).as(output).isZero();
        return output;
    }

    /** The reactor packages the runtime before it comes here, but leaves the jar's time alone if nothing changed in it. */
    static void useWhatThisBuildMade() throws IOException {
        Path runtime = ROOT.resolve("cnf/app/target/vmm.jar");
        if (Files.exists(runtime)) {
            Files.setLastModifiedTime(runtime, FileTime.from(Instant.now()));
        }
    }
}
