package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import devnode.fuse.launch.Launch;
import devnode.fuse.linux.Linux;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Programs that are launched find nodes at their paths, and get new files. */
@Timeout(60)
class LaunchTest {
    private static final String PATH = "/dev/vmmtest/node";

    @TempDir
    Path directory;

    private final TestNode node = new TestNode();
    private NodePublisher publisher;
    private boolean characterDevices;

    @BeforeEach
    void publish() throws IOException, InterruptedException {
        Native.program();
        publisher = new NodePublisher(Optional.empty(), new PermissionRules(), NodeTest.SPIN_NANOS);
        publisher.add(PATH, node, List.of(TestNode.SLEEP, TestNode.NEW_FILE, TestNode.NEW_FILE_IN_STRUCT, TestNode.FILE_BY_NAME, TestNode.FEATURE), FusePublisher.DEFAULT_DRIVER);
    }

    @AfterEach
    void stop() {
        if (publisher != null) {
            publisher.close();
        }
    }

    private int run(String... command) throws InterruptedException {
        return new Launch(publisher.server(), new TreeSet<>(publisher.descriptorRequests()), characterDevices).run(List.of(command));
    }

    /** Runs a shell command line. @return what it printed */
    private List<String> shell(String line) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        int exit = run("sh", "-c", "{ " + line + "; } > " + output + " 2>&1");
        assertThat(exit).as(() -> "exit code; the program said " + readAll(output)).isZero();
        return Files.readAllLines(output);
    }

    private static String readAll(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void nodesStandAtTheirPathsBesideWhatWasThere() throws Exception {
        assertThat(shell("ls " + PATH + " && test -c /dev/null && echo x > /dev/null && test -d /dev/pts && cat " + PATH + " | head -c 3 | od -An -tu1"))
                .containsExactly(PATH, "   1   2   3");
        assertThat(Path.of(PATH)).as("outside").doesNotExist();
    }

    @Test
    void newFilesArriveInTheClient() throws Exception {
        assertThat(shell(Native.program() + " " + PATH + " newfd")).containsExactly("new 1 1", "differs 1", "struct 0 1 7", "use 0 0",
                "foreign -1 25", "badf -1 9", "wild -1 14", "closed 0 0", "bad 0", "child 1");
        await().until(() -> node.inUse() == 0);
    }

    @Test
    void readsOfNothingReachWhoAnswersThem() throws Exception {
        String command = Native.program() + " " + PATH + " emptyread";
        assertThat(shell(command)).containsExactly("node 0 0", "null 0 0", "closed -1 9", "pipe 0 0", "some 3 0");
        node.answersEmptyReads = true;
        assertThat(shell(command)).containsExactly("node -1 22", "null 0 0", "closed -1 9", "pipe 0 0", "some 3 0");
    }

    @Test
    void filesComeByNameAndOnCondition() throws Exception {
        assertThat(shell(Native.program() + " " + PATH + " named")).containsExactly("device 1", "other -1 19", "plain 0 99", "feature 0 1 7");
    }

    @Test
    void whatProgramsAreWatchedForIsNamedBeforeTheyStart() throws Exception {
        publisher.remove(node);
        publisher.add(PATH, node, List.of(TestNode.NEW_FILE), FusePublisher.DEFAULT_DRIVER);
        Path late = Files.createFile(directory.resolve("late"));
        FutureTask<List<String>> client = new FutureTask<>(
                () -> shell("tail -f -n 1 --pid $$ " + late + " | " + Native.program() + " " + PATH + " late"));
        Thread.ofPlatform().start(client);
        await().until(() -> node.inUse() == 1);
        TestNode second = new TestNode();
        publisher.add("/dev/vmmtest/late", second, List.of(TestNode.NEW_FILE_IN_STRUCT), FusePublisher.DEFAULT_DRIVER);
        Files.writeString(late, "/dev/vmmtest/late\n");
        assertThat(client.get()).containsExactly("waiting", "named 1", "unnamed -1 95");
    }

    @Test
    void newFilesCanBeMapped() throws Exception {
        int file = Linux.createMemoryFile("bar");
        Linux.truncate(file, 4096);
        node.mappable = OptionalInt.of(file);
        try {
            assertThat(shell(Native.program() + " " + PATH + " newmap")).containsExactly("other 42");
        } finally {
            Linux.close(file);
        }
    }

    @Test
    void clientsKilledAtAnyMomentLeaveNothing() throws Exception {
        shell("for i in $(seq 60); do " + Native.program() + " " + PATH + " storm & sleep 0.0$((i % 7 + 1)); kill -9 $!; wait $! 2>/dev/null || true; done");
        await().untilAsserted(() -> {
            assertThat(node.inUse()).isZero();
            assertThat(node.sleeping).hasValue(0);
        });
        assertThat(node.pins).isNotEmpty();
        assertThat(shell(Native.program() + " " + PATH + " ioctls | head -1")).containsExactly("nothing 0 0");
    }

    @Test
    void anUnfilteredCallIsTheSameAsBefore() throws Exception {
        assertThat(shell(Native.program() + " " + PATH + " passfd")).containsExactly("signal 0 0", "count 2", "isnode 1 0", "isdup 1 0", "isnot 0 0", "isbad -1 9");
    }

    @Test
    void theExitCodeIsThePrograms() throws Exception {
        assertThat(run("sh", "-c", "exit 7")).isEqualTo(7);
        assertThat(run("true")).isZero();
        assertThat(run("sh", "-c", "kill -TERM $$")).isEqualTo(143);
        assertThat(run("sh", "-c", "kill -KILL $$")).isEqualTo(137);
        assertThat(run("/nonexistent/program")).isEqualTo(127);
        assertThat(run("no-such-program-in-path")).isEqualTo(127);
        assertThat(run("/etc/hostname")).isEqualTo(126);
    }

    @Test
    void environmentAndWorkingDirectoryAreOurs() throws Exception {
        assertThat(shell("echo $PATH; pwd")).containsExactly(System.getenv("PATH"), Path.of("").toAbsolutePath().toString());
    }

    @Test
    void nothingOfTheRuntimeLeaksIntoTheProgram() throws Exception {
        assertThat(shell("ls /proc/self/fd | tr '\\n' ' '")).hasSize(1)
                .first().asString().matches("0 1 2 3 .*"); // 3 is ls reading the directory
        assertThat(shell("grep SigBlk /proc/self/status")).containsExactly("SigBlk:\t0000000000000000");
    }

    @Test
    void anInterruptedLaunchEndsTheProgram() throws Exception {
        Thread launcher = Thread.ofPlatform().start(() -> {
            try {
                run("sleep", "1000");
            } catch (InterruptedException expected) {
                Thread.currentThread().interrupt();
            }
        });
        await().until(() -> ProcessHandle.current().children().anyMatch(child -> child.info().command().orElse("").endsWith("sleep")));
        launcher.interrupt();
        launcher.join(5000);
        assertThat(launcher.isAlive()).isFalse();
        await().until(() -> ProcessHandle.current().children().noneMatch(child -> child.info().command().orElse("").endsWith("sleep")));
    }

    @Test
    void aProgramThatDoesNotListenIsKilled() throws Exception {
        Path up = directory.resolve("up");
        Thread launcher = Thread.ofPlatform().start(() -> {
            try {
                run("sh", "-c", "trap '' TERM; touch " + up + "; while :; do sleep 0.1; done");
            } catch (InterruptedException expected) {
                Thread.currentThread().interrupt();
            }
        });
        await().until(() -> Files.exists(up));
        launcher.interrupt();
        launcher.join(20_000);
        assertThat(launcher.isAlive()).isFalse();
        await().until(() -> ProcessHandle.current().children().noneMatch(child -> child.info().command().orElse("").endsWith("sh")));
    }

    @Test
    void aReportedCallEndsWhenItsNodeGoes() throws Exception {
        FutureTask<List<String>> client = new FutureTask<>(() -> shell(Native.program() + " " + PATH + " block"));
        Thread.ofPlatform().start(client);
        await().until(() -> node.sleeping.get() == 1);
        long began = System.nanoTime();
        publisher.remove(node);
        assertThat(System.nanoTime() - began).isLessThan(2_000_000_000L);
        assertThat(node.sleeping).hasValue(0);
        assertThat(client.get()).containsExactly("waiting", "ioctl -1 19", "later -1 19");
    }

    @Test
    void severalProgramsRunAtOnce() throws Exception {
        List<Thread> threads = List.of(Thread.ofPlatform().unstarted(this::sleepShortly), Thread.ofPlatform().unstarted(this::sleepShortly));
        long began = System.nanoTime();
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(System.nanoTime() - began).isLessThan(1_800_000_000L);
    }

    private void sleepShortly() {
        try {
            run("sleep", "1");
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
