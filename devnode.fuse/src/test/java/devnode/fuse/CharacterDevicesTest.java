package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import devnode.fuse.launch.Launch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Programs that want it see nodes as character devices. */
@Timeout(60)
class CharacterDevicesTest {
    private static final String PATH = "/dev/vmmtest/node";
    private static final String DRIVER = "vmmtest-driver";

    @TempDir
    Path directory;

    private final TestNode node = new TestNode();
    private NodePublisher publisher;

    @BeforeEach
    void publish() throws IOException, InterruptedException {
        Native.program();
        publisher = new NodePublisher(Optional.empty(), new PermissionRules(), NodeTest.SPIN_NANOS);
        publisher.add("/dev/vmmtest/first", new TestNode(), List.of(), DRIVER);
        publisher.add(PATH, node, List.of(TestNode.NEW_FILE, TestNode.NEW_FILE_IN_STRUCT), DRIVER);
        publisher.add("/dev/vmmtest/misc", new TestNode(), List.of(), "misc");
    }

    @AfterEach
    void stop() {
        if (publisher != null) {
            publisher.close();
        }
    }

    private List<String> shell(boolean characterDevices, String line) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        Launch launch = new Launch(publisher.server(), new TreeSet<>(publisher.descriptorRequests()), characterDevices);
        int exit = launch.run(List.of("sh", "-c", "{ " + line + "; } > " + output + " 2>&1"));
        assertThat(exit).as(Files.readString(output)).isZero();
        return Files.readAllLines(output);
    }

    @Test
    void everyWayToCallStatShowsTheNumber() throws Exception {
        int major = Integer.parseInt(shell(false, "grep " + DRIVER + " /proc/devices").getFirst().strip().split(" ")[0]);
        assertThat(major).isBetween(384, 511);
        List<String> lines = shell(true, Native.program() + " " + PATH + " stat");
        String number = " 1 " + major + ":1 1";
        assertThat(lines).containsExactly("stat" + number, "fstat" + number, "lstat" + number, "empty" + number, "at" + number,
                "relative" + number, "up" + number, "link" + number, "itself 1", "old" + number, "old" + number, "old" + number,
                "statx 0 1 " + major + ":1", "null 1", "directory 1", "pipe 1", "none -1 2", "badf -1 9", "wild -1 14", "nowhere -1 14", "self 0 1");
    }

    @Test
    void theShellAgrees() throws Exception {
        assertThat(shell(true, "test -c " + PATH + " && test -c /dev/null && test -f /etc/passwd && test ! -c /etc/passwd && echo yes")).containsExactly("yes");
        assertThat(shell(true, "stat -c '%F %Hr' /dev/vmmtest/misc")).containsExactly("character special file 10");
        assertThat(shell(false, "test -f " + PATH + " && echo yes")).containsExactly("yes");
    }

    @Test
    void aProgramThatCannotBeStartedIsNoHang() throws Exception {
        for (String program : List.of("no-such-program", "/nonexistent/program")) {
            assertThat(new Launch(publisher.server(), new TreeSet<>(), true).run(List.of(program))).isEqualTo(127);
        }
    }

    @Test
    void manyProcessesAtOnceAreAnswered() throws Exception {
        assertThat(shell(true, "for i in $(seq 8); do (for j in $(seq 25); do test -c " + PATH + " && stat /etc/passwd > /dev/null || echo bad; done) & done; wait; echo done"))
                .containsExactly("done");
    }

    @Test
    void newFilesComeToProgramsThatSeeCharacterDevices() throws Exception {
        assertThat(shell(true, Native.program() + " " + PATH + " newfd")).contains("new 1 1", "use 0 0", "bad 0");
    }

    @Test
    void programsGoOnWhenThePublisherStops() throws Exception {
        Path up = directory.resolve("up");
        Path go = directory.resolve("go");
        Thread stopper = Thread.ofPlatform().start(() -> {
            await().until(() -> Files.exists(up));
            publisher.close();
            try {
                Files.createFile(go);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        assertThat(shell(true, "touch " + up + "; while ! test -e " + go + "; do sleep 0.05; done; stat -c %F /etc/passwd")).containsExactly("regular file");
        stopper.join();
    }

    @Test
    void whatCallsCost() throws Exception {
        System.out.println("nothing filtered, ns: " + shell(false, Native.program() + " " + PATH + " statcost 10000").getFirst());
        System.out.println("character devices, ns: " + shell(true, Native.program() + " " + PATH + " statcost 3000").getFirst());
    }
}
