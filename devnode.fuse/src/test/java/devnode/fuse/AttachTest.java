package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import devnode.fuse.attach.Attach;
import devnode.fuse.attach.AttachPoint;
import devnode.fuse.attach.RuntimeDirectory;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Programs that others start find the nodes of a runtime that is up. */
@Timeout(60)
class AttachTest {
    private static final String PATH = "/dev/vmmtest/node";

    @TempDir
    Path directory;

    private final TestNode node = new TestNode();
    private NodePublisher publisher;
    private AttachPoint point;

    @BeforeEach
    void publish() throws IOException, InterruptedException {
        Native.program();
        publisher = new NodePublisher(Optional.empty(), new PermissionRules(), NodeTest.SPIN_NANOS);
        publisher.add(PATH, node, List.of(TestNode.NEW_FILE, TestNode.NEW_FILE_IN_STRUCT), "vmmtest-driver");
        publisher.add("/sys/bus/pci/devices", () -> Map.of());
        point = open("lab");
    }

    private AttachPoint open(String name) {
        return AttachPoint.open(new RuntimeDirectory(sockets()), name, publisher::server, publisher::descriptorRequests);
    }

    private Path sockets() {
        return directory.resolve("sockets");
    }

    @AfterEach
    void stop() {
        if (publisher != null) {
            point.close();
            publisher.close();
        }
    }

    private static String jar(Class<?> of) {
        try {
            return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<String> attach(String... words) {
        List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElseThrow(), "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1", "-Xrs", "-XX:-MaxFDLimit", "-cp", jar(Attach.class) + ":" + jar(Errno.class), Attach.class.getName()));
        command.addAll(List.of(words));
        return command;
    }

    private Process start(List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        builder.environment().put("IOMMUFD_RUNTIME_DIR", sockets().toString());
        return builder.start();
    }

    private record Ended(int exit, List<String> lines) {}

    private Ended run(String... words) throws IOException, InterruptedException {
        Process process = start(attach(words));
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        return new Ended(process.exitValue(), output.lines().toList());
    }

    private List<String> shell(String line) throws IOException, InterruptedException {
        Ended ended = run("--", "sh", "-c", line);
        assertThat(ended.exit()).as(() -> String.join("\n", ended.lines())).isZero();
        return ended.lines();
    }

    @Test
    void programsShareTheRuntime() throws Exception {
        Process first = start(attach("--attach", "--", "sh", "-c", "exec 9<" + PATH + "; echo open; read line; echo closing"));
        try (var lines = first.inputReader()) {
            assertThat(lines.readLine()).isEqualTo("open");
            assertThat(node.inUse()).isEqualTo(1);
            node.exclusive = true;
            assertThat(shell(Native.program() + " " + PATH + " open || true")).containsExactly("open -1 16");
            first.outputWriter().append("go on\n").flush();
            assertThat(lines.readLine()).isEqualTo("closing");
            assertThat(first.waitFor()).isZero();
        }
        await().until(() -> node.inUse() == 0);
        assertThat(shell(Native.program() + " " + PATH + " open")).containsExactly("open 0 0");
    }

    @Test
    void whatIsOfTheProgramIsNotOfTheRuntime() throws Exception {
        assertThat(shell("pwd; echo $IOMMUFD_RUNTIME_DIR; ls -A /sys/bus/pci/devices; test -c /dev/null; ls /proc/self/fd | tr '\\n' ' '; grep SigBlk /proc/self/status"))
                .containsExactly(directory.toString(), sockets().toString(), "0 1 2 3 SigBlk:\t0000000000000000");
        Process process = start(attach("--", "sh", "-c", "echo $$ $PPID"));
        assertThat(process.inputReader().readLine()).isEqualTo(process.pid() + " " + ProcessHandle.current().pid());
    }

    @Test
    void theExitCodeIsThePrograms() throws Exception {
        assertThat(run("--", "sh", "-c", "exit 7")).isEqualTo(new Ended(7, List.of()));
        assertThat(run("--", "sh", "-c", "kill -KILL $$").exit()).isEqualTo(137);
        assertThat(run("--", "no-such-program")).isEqualTo(new Ended(127, List.of("no-such-program: no such program")));
        assertThat(run("--", directory.toString()).exit()).isEqualTo(126);
    }

    @Test
    void signalsGoToTheProgram() throws Exception {
        Process process = start(attach("--", "sh", "-c", "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.05; done"));
        assertThat(process.inputReader().readLine()).isEqualTo("up");
        process.toHandle().destroy(); // destroy() would close its output
        assertThat(process.inputReader().readLine()).isEqualTo("told");
        assertThat(process.waitFor()).isEqualTo(3);
    }

    @Test
    void theTerminalIsThePrograms() throws Exception {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "needs script(1)");
        String attach = String.join(" ", attach("--", "sh", "-c", "'test -t 0 && test -t 1 && ps -o pgid=,tpgid= -p $$'"));
        Process process = start(List.of("script", "-qec", attach, "/dev/null"));
        String[] groups = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip().split(" +");
        assertThat(process.waitFor()).isZero();
        assertThat(groups).hasSize(2);
        assertThat(groups[0]).as("the foreground group of the terminal").isEqualTo(groups[1]);
    }

    @Test
    void theInterruptKeyEndsTheProgramAndNotTheRuntime() throws Exception {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "needs script(1)");
        String attach = String.join(" ", attach("--", "sh", "-c", "'exec 9<" + PATH + "; echo up; exec sleep 100'"));
        Process process = start(List.of("script", "-qec", attach, "/dev/null"));
        assertThat(process.inputReader().readLine()).isEqualTo("up");
        // A shell that is about to start the next program may miss it.
        for (int i = 0; i < 50 && !process.waitFor(200, TimeUnit.MILLISECONDS); i++) {
            process.outputWriter().append('\u0003').flush();
        }
        assertThat(process.exitValue()).isEqualTo(130);
        await().until(() -> node.inUse() == 0);
        assertThat(shell("test -e " + PATH + " && echo there")).containsExactly("there");
    }

    @Test
    void newFilesAndCharacterDevicesComeAsInALaunchedProgram() throws Exception {
        assertThat(shell(Native.program() + " " + PATH + " newfd")).contains("new 1 1", "use 0 0", "bad 0", "child 1");
        Ended ended = run("--attach", "lab", "--char-devices", "--", "sh", "-c", "stat -c %F " + PATH + " /etc/passwd; " + Native.program() + " " + PATH + " newfd");
        assertThat(ended.lines()).startsWith("character special file", "regular file").contains("use 0 0", "bad 0");
    }

    @Test
    void aRuntimeIsFoundByNameOrProcess() throws Exception {
        assertThat(run("--attach", "lab", "--", "true").exit()).isZero();
        assertThat(run("--attach", Long.toString(ProcessHandle.current().pid()), "--", "true").exit()).isZero();
        assertThat(run("--attach", "none", "--", "true").lines()).singleElement().asString().contains("no runtime 'none'", "lab (process ");
        try (AttachPoint second = open("lab")) {
            assertThat(run("--", "true").lines()).singleElement().asString().contains("several runtimes", "lab (process ", "lab-2 (process ");
            assertThat(run("--attach", "lab-2", "--", "true").exit()).isZero();
        }
        point.close();
        assertThat(run("--", "true")).matches(ended -> ended.exit() == 125 && ended.lines().getFirst().contains("Start one by ./vmm"));
        assertThat(run("--attach")).isEqualTo(new Ended(125, List.of("Usage: ./vmm exec --attach [NAME] [--char-devices] -- COMMAND [ARGUMENT...]")));
        assertThat(Files.list(sockets())).isEmpty();
        point = open("lab");
    }

    @Test
    void whatKilledRuntimesLeaveIsRemovedAndNobodyElseGetsIn() throws Exception {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(sockets()))).isEqualTo("rwx------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(sockets().resolve("lab.sock")))).isEqualTo("rw-------");
        Files.createFile(sockets().resolve("dead.sock"));
        assertThat(run("--", "true").exit()).isZero();
        try (AttachPoint second = open("other")) {
            assertThat(sockets().resolve("dead.sock")).doesNotExist();
            assertThat(sockets().resolve("other.sock")).exists();
        }
        assertThatThrownBy(() -> open("../x")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whyARuntimeRefusesIsTold() throws Exception {
        point.close();
        SortedSet<Integer> none = new TreeSet<>();
        point = AttachPoint.open(new RuntimeDirectory(sockets()), "lab", () -> {
            throw new IommufdException(Errno.ENODEV, "there is no /dev/fuse");
        }, () -> none);
        assertThat(run("--", "true")).matches(ended -> ended.exit() == 125 && ended.lines().getFirst().endsWith("there is no /dev/fuse"));
    }

    @Test
    void nothingIsLeftOfProgramsThatAreKilled() throws Exception {
        shell("true");
        for (int i = 0; i < 5; i++) {
            Process process = start(attach("--char-devices", "--", Native.program().toString(), PATH, "storm"));
            Thread.sleep(150 * i);
            process.destroyForcibly().waitFor();
        }
        await().until(() -> node.inUse() == 0);
        await().untilAsserted(() -> assertThat(Thread.getAllStackTraces().keySet()).extracting(Thread::getName)
                .doesNotContain("devnode-calls", "devnode-attached", "devnode-namespace"));
    }
}
