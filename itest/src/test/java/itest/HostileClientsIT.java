package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import devnode.fuse.FuseConfiguration;
import devnode.fuse.FusePublisher;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.Errno;
import iommufd.api.memory.HostMemory;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.NodeActivity.NodeCounts;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.node.IommuNode;
import java.io.IOException;
import java.io.InputStream;
import java.lang.annotation.Annotation;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Programs that are killed, lie, and change their minds ({@code hostile.c}), at {@code /dev/iommu} over FUSE: a well-behaved program
 * beside them notices nothing, they get documented error numbers, and nothing of them stays. {@code ./vmm soak --uapi} asks for more.
 */
@Timeout(value = 600, unit = TimeUnit.SECONDS)
class HostileClientsIT {
    private static final boolean SOAK = Boolean.getBoolean("vmm.soak");
    private static final long SEED = Long.getLong("vmm.seed", System.nanoTime());
    /** Nobody's fault but ours: EIO is what an exception becomes, ECONNABORTED and ENOTCONN are a server that is gone. */
    private static final Set<Integer> OURS = Set.of(Errno.EIO.number(), 103, 107);

    /** Of the programs that ended last, three descriptors each stay until the next one calls. */
    private static final int LAST_CLIENTS = 9;

    private static Path program;
    private static Engine engine;
    private static HostPhysicalMemory memory;
    private static FusePublisher publisher;
    private static HostileDevice device;
    private static State before;

    /** What must be the same when all clients are gone. */
    private record State(long tableBytes, long openFiles, long clientRanges, int freeDevices, long openNodes) {}

    @BeforeAll
    static void publish() throws Exception {
        require("/dev/fuse", Files.isWritable(Path.of("/dev/fuse")));
        require("root", Files.isWritable(Path.of("/proc/sys/kernel/hostname")));
        program = compile();
        memory = new HostPhysicalMemory();
        engine = new Engine(EngineOptions.DEFAULT);
        VtdBackend iommu = new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
        engine.add(iommu, 0);
        publisher = new FusePublisher(new Defaults());
        iommu.farPath().connect(publisher);
        device = new HostileDevice(engine.fabric());
        publisher.addNode(new IommuNode(engine), Map.of(DeviceNode.PATH, "/dev/iommu", DeviceNode.DESCRIPTOR_REQUESTS, new int[] {0x3B8E, 0x3B93}));
        publisher.addNode(device, Map.of(DeviceNode.PATH, HostileDevice.PATH));
        assertThat(run("wild", 100)).isZero();   // classes are loaded, requester ids known
        before = settled();
        assertThat(before).returns(0L, State::clientRanges).returns(HostileDevice.DEVICES, State::freeDevices).returns(0L, State::openNodes);
    }

    private static void require(String what, boolean there) {
        if (!there) {
            System.err.println("SKIPPED: HostileClientsIT needs " + what);
        }
        assumeTrue(there, "needs " + what);
    }

    private static Path compile() throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("vmm-hostile");
        Path source = directory.resolve("hostile.c");
        try (InputStream text = HostileClientsIT.class.getResourceAsStream("hostile.c")) {
            Files.copy(text, source);
        }
        Path compiled = directory.resolve("hostile");
        try {
            assertThat(new ProcessBuilder("cc", "-O1", "-w", "-pthread", "-o", compiled.toString(), source.toString()).inheritIO().start().waitFor()).isZero();
        } catch (IOException noCompiler) {
            require("a C compiler (cc)", false);
        }
        return compiled;
    }

    @AfterAll
    static void leave() {
        if (engine != null) {
            engine.close();
            memory.close();
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"kill,1000,4000", "memory,300,10000", "wild,5000,50000", "change,20000,200000", "close,300,5000", "random,200000,2000000"})
    void nobodyNoticesAndNothingStays(String mode, int count, int soakCount) throws Exception {
        long granted = iommu().granted();
        assertThat(run(mode, SOAK ? soakCount : count)).as("mode %s, seed %d; the reason is above", mode, SEED).isZero();
        State after = settled();
        assertThat(after.openFiles()).as("descriptors of this process, mode %s, seed %d: %s", mode, SEED, descriptors()).isLessThanOrEqualTo(before.openFiles() + LAST_CLIENTS);
        assertThat(after).as("mode %s, seed %d", mode, SEED).usingRecursiveComparison().ignoringFields("openFiles").isEqualTo(before);
        assertThat(iommu().granted()).isGreaterThan(granted);
        assertThat(publisher.counts()).allSatisfy(node -> assertThat(node.refused().keySet()).as(node.path()).doesNotContainAnyElementsOf(OURS));
    }

    private static NodeCounts iommu() {
        return publisher.counts().stream().filter(node -> node.path().equals("/dev/iommu")).findFirst().orElseThrow();
    }

    private static int run(String mode, int count) throws InterruptedException {
        return publisher.run(List.of(program.toString(), mode, Integer.toString(count), Long.toString(SEED)));
    }

    /** What is left after the publisher had time to let go of files: that is a second after their last use. */
    private static State settled() throws Exception {
        Thread.sleep(1500);
        for (int tries = 0; tries < 50 && !clean(state()); tries++) {
            Thread.sleep(100);
        }
        return state();
    }

    private static boolean clean(State state) {
        return state.clientRanges() == 0 && state.freeDevices() == HostileDevice.DEVICES && state.openNodes() == 0
                && (before == null || state.tableBytes() == before.tableBytes() && state.openFiles() <= before.openFiles());
    }

    private static State state() throws IOException {
        return new State(memory.tables().bytesInUse(), openFiles(), clientRanges(), device.freeDevices(),
                publisher.counts().stream().mapToLong(NodeCounts::openFiles).sum());
    }

    private static long openFiles() throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            long count = 0;
            for (Path _ : files) {
                count++;
            }
            return count;
        }
    }

    /** What is open, and how often. */
    private static Map<String, Integer> descriptors() throws IOException {
        Map<String, Integer> found = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path file : files) {
                if (Files.isSymbolicLink(file)) {
                    found.merge(Files.readSymbolicLink(file).toString().replaceAll("\\d+", "N"), 1, Integer::sum);
                }
            }
        }
        found.values().removeIf(count -> count < 3);
        return found;
    }

    /** How much of the physical space shows clients' memory. */
    private static long clientRanges() {
        long backed = 0;
        for (long at = HostMemory.CLIENT_MEMORY_START; at < HostMemory.SIZE_BYTES; at += HostMemory.BACKING_BYTES) {
            backed += HostMemory.isBacked(at) ? 1 : 0;
        }
        return backed;
    }

    private static final class Defaults implements FuseConfiguration {
        @Override
        public String mount_point() {
            return "";
        }

        @Override
        public String[] permissions() {
            return new String[0];
        }

        @Override
        public int spin_micros() {
            return 20;
        }

        @Override
        public Class<? extends Annotation> annotationType() {
            return FuseConfiguration.class;
        }
    }
}
