package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Nodes, their publisher and their clients come and go. */
@Timeout(60)
class NodeLifecycleTest extends NodeTest {
    @Test
    void whatIsOpenOfAVanishedNodeAnswersNoDevice() throws Exception {
        try (Client client = start("hangup")) {
            assertThat(client.line()).isEqualTo("waiting");
            Thread.sleep(100); // the client is in poll(2) now
            publisher.remove(node);
            assertThat(node.inUse()).isZero();
            assertThat(client.line()).isEqualTo("poll 1 18"); // POLLERR | POLLHUP
            assertThat(client.line()).isEqualTo("ioctl -1 19");
            assertThat(client.line()).isEqualTo("open -1 2");
            TestNode next = new TestNode();
            publisher.add(PATH, next, List.of(), FusePublisher.DEFAULT_DRIVER);
            client.send("go on");
            assertThat(client.rest()).containsExactly("still -1 19", "again 0 0", "back 0 0");
            await().until(() -> next.inUse() == 0);
            assertThat(next.opened).hasValue(1);
        }
    }

    @Test
    void aCallUnderWayEndsWhenItsNodeGoes() throws Exception {
        try (Client client = start("block")) {
            assertThat(client.line()).isEqualTo("waiting");
            await().until(() -> node.sleeping.get() == 1);
            publisher.remove(node);
            assertThat(node.sleeping).hasValue(0);
            assertThat(client.rest()).containsExactly("ioctl -1 19", "later -1 19");
        }
    }

    @Test
    void aCallUnderWayEndsWhenThePublisherStopsAndNothingIsLeft() throws Exception {
        try (Client client = start("block")) {
            assertThat(client.line()).isEqualTo("waiting");
            await().until(() -> node.sleeping.get() == 1);
            publisher.close();
            assertThat(node.inUse()).isZero();
            List<String> lines = client.rest();
            assertThat(lines.getFirst()).startsWith("ioctl -1 ");
            assertThat(lines.getLast()).startsWith("later -1 ");
        }
        assertThat(Thread.getAllStackTraces().keySet()).extracting(Thread::getName).noneMatch(name -> name.matches("devnode-\\d+"));
        assertThat(Files.readString(Path.of("/proc/self/mounts"))).doesNotContain(directory.toString());
    }

    @Test
    void startingAndStoppingLeaksNoDescriptor() throws Exception {
        publisher.close();
        long before = openFiles();
        for (int i = 0; i < 20; i++) {
            NodePublisher again = new NodePublisher(i % 2 == 0 ? Optional.empty() : Optional.of(directory.resolve("dev")), new PermissionRules(), NodeTest.SPIN_NANOS);
            again.add(PATH, node, List.of(), FusePublisher.DEFAULT_DRIVER);
            again.close();
        }
        assertThat(openFiles()).isLessThanOrEqualTo(before);
    }

    @Test
    void killedClientsLeaveNothing() throws Exception {
        run("open");
        await().until(() -> node.inUse() == 0);
        long before = openFiles();
        for (int i = 0; i < 50; i++) {
            try (Client client = start("interact")) {
                assertThat(client.line()).isEqualTo("ready");
                long file = client.call("memfd %x", 1 << 20);
                long address = client.map(file, 1 << 20, 0, 0);
                assertThat(client.call("pin %x %x 1 1", address, 4096)).isZero();
                client.kill();
            }
            node.pins.remove(1L).unpin();
        }
        await().until(() -> node.inUse() == 0);
        run("open");
        await().untilAsserted(() -> assertThat(openFiles()).isLessThanOrEqualTo(before + 3)); // of the client that ended last
        assertThat(publisher.pins().files().count()).isZero();
    }

    private static long openFiles() throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            long count = 0;
            for (Path file : files) {
                count += Files.isSymbolicLink(file) ? 1 : 0;
            }
            return count;
        }
    }
}
