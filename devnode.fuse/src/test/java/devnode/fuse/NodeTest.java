package devnode.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A test node that is published at a directory of the test. */
abstract class NodeTest {
    static final String PATH = "/dev/test/node";
    static final long SPIN_NANOS = 20_000;

    @TempDir
    Path directory;

    final TestNode node = new TestNode();
    NodePublisher publisher;

    @BeforeEach
    void publish() throws IOException, InterruptedException {
        Native.program();
        Path point = Files.createDirectory(directory.resolve("dev"));
        publisher = new NodePublisher(Optional.of(point), new PermissionRules(), NodeTest.SPIN_NANOS);
        publisher.add(PATH, node, List.of(TestNode.NEW_FILE, TestNode.NEW_FILE_IN_STRUCT), FusePublisher.DEFAULT_DRIVER);
    }

    @AfterEach
    void stop() {
        if (publisher != null) {
            publisher.close();
        }
    }

    String path() {
        return directory.resolve("dev/test/node").toString();
    }

    List<String> run(String command, String... arguments) throws IOException, InterruptedException {
        return Client.run(directory, path(), command, arguments);
    }

    Client start(String command, String... arguments) throws IOException, InterruptedException {
        return Client.start(directory, path(), command, arguments);
    }
}
