package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import devnode.fuse.linux.Linux;
import iommufd.api.memory.HostMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a client can do with an open node. */
@Timeout(60)
class NodeCallsTest extends NodeTest {
    @Test
    void ioctlsReachTheNodeAndItsAnswersAndErrorsTheClient() throws Exception {
        List<String> lines = run("ioctls");
        assertThat(lines).containsSubsequence("nothing 0 0", "sum 0 42 1");
        assertThat(lines.get(2)).startsWith("sized 0 3 ");
        assertThat(lines.subList(3, lines.size())).containsExactly("version 0 130000000", "largest 2147483647 0",
                "enotty -1 25", "busy -1 16", "crash -1 5", "negative -1 5");
        await().until(() -> node.inUse() == 0);
    }

    @Test
    void wildPointersAreFaultsAndNothingIsWrittenPartly() throws Exception {
        assertThat(run("wild")).containsExactly("null -1 14", "small -1 14", "kernel -1 14", "last -1 14", "sized -1 14",
                "readonly -1 14", "spanning -1 14", "changed 0", "unmapped -1 14", "fine 0 0");
    }

    @Test
    void readsAndWritesAreMessages() throws Exception {
        assertThat(run("messages")).containsExactly("read 24 0", "first 1 0", "short 10 0", "write 72 0", "one -1 22", "pread -1 29",
                "big " + (3 << 20) + " 0");
    }

    @Test
    void positionedNodesGetOffsets() throws Exception {
        node.positioned = true;
        assertThat(run("positions")).containsExactly("pread 8 0", "value 70000001100", "pwrite 4 0", "seek 64 0", "read 8 0", "value 1140");
    }

    @Test
    void pollAndEpollWakeUp() throws Exception {
        assertThat(run("poll")).containsExactly("now 1 4", "never 0", "poll 1 1 1", "add 0 0", "epoll 1 1 1", "epoll 1 1 1",
                "epoll 1 1 1", "epoll 1 1 1", "epoll 1 1 1");
    }

    @Test
    void callsOfSeveralThreadsDoNotWaitForEachOther() throws Exception {
        List<String> lines = run("parallel");
        assertThat(lines.getFirst()).isEqualTo("sum 28");
        assertThat(millis(lines)).isLessThan(700);
        assertThat(millis(run("crowd"))).isLessThan(2000);
        assertThat(run("hammer")).containsExactly("bad 0");
    }

    private static int millis(List<String> lines) {
        return Integer.parseInt(lines.getLast().split(" ")[1]);
    }

    @Test
    void threadsBelongToTheirProcess() throws Exception {
        assertThat(run("thread")).containsExactly("thread 0 42 1");
    }

    @Test
    void aSignalInterruptsACallAndOnlyThat() throws Exception {
        assertThat(run("signal")).containsExactly("interrupted -1 4", "soon 1");
    }

    @Test
    void aKilledClientIsGoneAtOnce() throws Exception {
        assertThat(run("kill")).containsExactly("killed 9 1", "fine 0 0");
        await().until(() -> node.sleeping.get() == 0 && node.inUse() == 0);
    }

    @Test
    void aClosedNodeIsClosedForTheNextOpener() throws Exception {
        node.exclusive = true;
        assertThat(run("reopen", "5000")).containsExactly("bad 0");
        await().until(() -> node.inUse() == 0);
        assertThat(node.opened).hasValue(5001);
    }

    @Test
    void everyOpenFileIsANodeOfItsOwn() throws Exception {
        assertThat(run("serial")).containsExactly("serials 1 1");
    }

    @Test
    void clientsMapTheFileBehindANode() throws Exception {
        int file = Linux.createMemoryFile("bar");
        Linux.truncate(file, 1L << 42);
        HostMemory.backFile(HostMemory.SIZE_BYTES - HostMemory.BACKING_BYTES, HostMemory.BACKING_BYTES, file, 0);
        long address = HostMemory.SIZE_BYTES - HostMemory.BACKING_BYTES + 4096;
        HostMemory.WINDOW.set(ValueLayout.JAVA_INT, address, 0xcafe);
        node.mappable = OptionalInt.of(file);
        node.positioned = true;
        try {
            assertThat(run("map")).containsExactly("saw cafe", "other beef", "pread 8 0");
            assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_INT, address + 4)).isEqualTo(0xbeef);
        } finally {
            HostMemory.unback(HostMemory.SIZE_BYTES - HostMemory.BACKING_BYTES, HostMemory.BACKING_BYTES);
            Linux.close(file);
        }
    }

    @Test
    void regionsAreFarApart() throws Exception {
        int file = Linux.createMemoryFile("regions");
        Linux.truncate(file, 1L << 44);
        node.mappable = OptionalInt.of(file);
        node.positioned = true;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment word = arena.allocate(ValueLayout.JAVA_INT);
            for (long region : new long[] {0, 7}) {
                word.set(ValueLayout.JAVA_INT, 0, (int) (0xca00 + region));
                Linux.pwrite(file, word.address(), 4, (region << 40) + 8192 + 4096);
            }
            assertThat(run("regions")).containsExactly("saw ca00", "pwrite 8 0", "pread 8 0", "value 1118",
                    "saw ca07", "pwrite 8 0", "pread 8 0", "value 70000001118");
            for (long region : new long[] {0, 7}) {
                Linux.pread(file, word.address(), 4, (region << 40) + 8192 + 4100);
                assertThat(word.get(ValueLayout.JAVA_INT, 0)).isEqualTo((int) (0xbe00 + region));
            }
        } finally {
            Linux.close(file);
        }
    }

    @Test
    void nodesWithoutAFileCannotBeMapped() throws Exception {
        assertThat(run("map")).containsExactly("map -1 19");
    }

    @Test
    void clientsPassEventfdsAndNodes() throws Exception {
        assertThat(run("passfd")).containsExactly("signal 0 0", "count 2", "isnode 1 0", "isdup 1 0", "isnot 0 0", "isbad -1 9");
    }

    @Test
    void nodesListenToEventfdsOfClients() throws Exception {
        assertThat(run("eventfds")).containsExactly("listen 0 0", "bad 0", "reset -1 11", "pipe -1 22", "closed -1 9", "letgo 0 0", "quiet 0");
        await().untilAsserted(() -> assertThat(Thread.getAllStackTraces().keySet()).extracting(Thread::getName).doesNotContain("devnode-signals"));
    }

    @Test
    void aNodeThatIsTakenStaysOpen() throws Exception {
        try (Client client = start("keep")) {
            assertThat(client.line()).isEqualTo("keep 2 0");
            assertThat(client.line()).isEqualTo("closed");
            Thread.sleep(50);
            assertThat(node.inUse()).isEqualTo(2);
            client.send("go on");
            assertThat(client.line()).isEqualTo("letgo 0 0");
            assertThat(client.line()).isEqualTo("done");
            await().until(() -> node.inUse() == 1);
        }
    }

    @Test
    void textsOfClientsAreReadUpToTheirEnd() throws Exception {
        assertThat(run("text")).containsExactly("spanning 8 0", "cut -1 14", "last 11 0", "long -1 22", "null -1 14");
    }

    @Test
    void newFilesNeedALaunchedClient() throws Exception {
        assertThat(run("newfd").getFirst()).isEqualTo("new 0 95");
        await().until(() -> node.inUse() == 0);
    }

    @Test
    void theOwnerIsTheClient() throws Exception {
        try (Client client = start("owner")) {
            assertThat(client.rest()).containsExactly("owner 0 0");
            assertThat(node.lastOwner.processId()).isEqualTo(client.pid());
            assertThat(node.lastOwner.userId()).isZero();
            long ours = Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("CapEff:"))
                    .mapToLong(line -> Long.parseUnsignedLong(line.substring(8).trim(), 16)).findFirst().orElseThrow();
            assertThat(node.lastOwner.sysResource()).isEqualTo((ours >> 24 & 1) != 0);
            assertThat(node.lastOwner.rawIo()).isEqualTo((ours >> 17 & 1) != 0);
        }
    }

    @Test
    void theDirectoryShowsNodesWithTheirPermissions() throws IOException {
        publisher.add("/dev/other", new TestNode(), List.of(), FusePublisher.DEFAULT_DRIVER);
        try (var names = Files.list(directory.resolve("dev"))) {
            assertThat(names.map(Path::getFileName).map(Path::toString)).containsExactlyInAnyOrder("test", "other");
        }
        assertThat(Files.getPosixFilePermissions(directory.resolve("dev/other"))).hasSize(2);
    }

    @Test
    void aTrivialIoctlIsFast() throws Exception {
        String line = run("latency", "20000").getFirst();
        System.out.println("trivial ioctl, microseconds: " + line);
        assertThat(Double.parseDouble(line.split(" ")[1])).as(line).isLessThan(100);
        System.out.println("trivial ioctls of four threads: " + run("throughput", "20000").getFirst());
    }
}
