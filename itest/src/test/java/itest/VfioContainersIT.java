package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import devnode.fuse.FuseConfiguration;
import devnode.fuse.FusePublisher;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.NodeActivity.NodeCounts;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.node.IommuNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.annotation.Annotation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.device.DeviceGroup;
import vfio.adapter.device.DeviceRegistry;
import vfio.adapter.node.DeviceFile;
import vfio.compat.container.ContainerNode;
import vfio.compat.container.ContainerOptions;
import vfio.compat.group.GroupNode;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/**
 * A C program at {@code /dev/vfio/vfio} and a group, over FUSE: random requests ({@code itest/differential/vfio-random.c}) answered as
 * Linux 7.3 answered them, with a device behind an intel-iommu, when the transcript beside it was recorded.
 */
@Timeout(120)
class VfioContainersIT {
    private static final Path DIFFERENTIAL = Path.of("").toAbsolutePath().getParent().resolve("itest/differential");
    private static final int GROUP = 5;
    private static final String DEVICE = "0000:00:05.0";
    private static final int RECORDED_SEEDS = 20;
    private static final int RECORDED_OPERATIONS = 400;

    @TempDir
    private static Path directory;
    private static HostPhysicalMemory memory;
    private static Engine engine;
    private static VtdBackend unit;
    private static FusePublisher publisher;
    private static DeviceRegistry devices;

    /** Does nothing but exist. */
    private static final class QuietDevice implements VfioDevice, RunningDevice {
        private final PciFunction function = PciFunction.at(RequesterId.of(0, 0, 5, 0), new PciIds(0x1234, 0x11e8, 0x1af4, 0x1100, 0xff0000, 0))
                .group(GROUP).bar(Bar.trapped(0, 4096)).build();

        @Override
        public PciFunction function() {
            return function;
        }

        @Override
        public RunningDevice start(DeviceHost host) {
            return this;
        }

        @Override
        public long read(int bar, long offset, int widthBytes) {
            return 0;
        }

        @Override
        public void write(int bar, long offset, int widthBytes, long value) { }

        @Override
        public void reset() { }

        @Override
        public void close() { }
    }

    /** Nodes as the adapter's and the groups' components publish them. */
    private static final class Nodes implements DeviceRegistry.Publication {
        @Override
        public void published(AdaptedDevice device) {
            publisher.addNode(caller -> DeviceFile.ofNode(device), Map.of(DeviceNode.PATH, device.nodePath()));
        }

        @Override
        public void withdrawn(AdaptedDevice device) { }

        @Override
        public void published(DeviceGroup group) {
            publisher.addNode(new GroupNode(group), Map.of(DeviceNode.PATH, "/dev/vfio/" + group.number(), DeviceNode.DESCRIPTOR_REQUESTS, new int[] {0x3B6A}));
        }

        @Override
        public void withdrawn(DeviceGroup group) { }
    }

    @BeforeAll
    static void publish() throws Exception {
        require("/dev/fuse", Files.isWritable(Path.of("/dev/fuse")));
        require("root", Files.isWritable(Path.of("/proc/sys/kernel/hostname")));
        require("a C compiler (cc)", compile() == 0);
        memory = new HostPhysicalMemory();
        engine = new Engine(EngineOptions.DEFAULT);
        // As the recorded unit: tables of 48 bits, no record of dirty pages.
        unit = new VtdBackend(memory.tables(), VtdFeatures.legacy(), VtdDriverOptions.named("vtd0"));
        engine.add(unit);
        publisher = new FusePublisher(new Defaults());
        publisher.addNode(new IommuNode(engine), Map.of(DeviceNode.PATH, "/dev/iommu"));
        publisher.addNode(new ContainerNode(engine.service(), ContainerOptions.DEFAULT), Map.of(DeviceNode.PATH, "/dev/vfio/vfio"));
        devices = new DeviceRegistry(engine.fabric(), 1000, new Nodes());
        devices.add(new QuietDevice());
    }

    private static int compile() throws InterruptedException {
        try {
            return new ProcessBuilder("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-w", "-o", directory.resolve("vfio-random").toString(),
                    DIFFERENTIAL.resolve("vfio-random.c").toString()).inheritIO().start().waitFor();
        } catch (IOException noCompiler) {
            return -1;
        }
    }

    private static void require(String what, boolean there) {
        if (!there) {
            System.err.println("SKIPPED: VfioContainersIT needs " + what);
        }
        assumeTrue(there, "needs " + what);
    }

    @AfterAll
    static void leave() {
        if (engine != null) {
            devices.close();
            engine.close();
            unit.close();
            memory.close();
        }
    }

    private static List<String> random(int firstSeed, int seeds, int operations) throws Exception {
        Path output = directory.resolve("output");
        String command = "%s/vfio-random %d %d %d /dev/vfio/%d %s >%s".formatted(directory, firstSeed, seeds, operations, GROUP, DEVICE, output);
        assertThat(publisher.run(List.of("sh", "-c", command))).as(command).isZero();
        return Files.readAllLines(output);
    }

    private static List<String> recorded() {
        try (InputStream transcript = new GZIPInputStream(Files.newInputStream(DIFFERENTIAL.resolve("linux-7.3-vfio.txt.gz")))) {
            return new String(transcript.readAllBytes()).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void requestsAreAnsweredAsByLinux() throws Exception {
        List<String> ours = random(1, RECORDED_SEEDS, RECORDED_OPERATIONS);
        List<String> linux = recorded();
        assertThat(ours).hasSameSizeAs(linux);
        List<String> different = IntStream.range(0, linux.size()).filter(line -> !ours.get(line).equals(linux.get(line)))
                .mapToObj(line -> "line %d: Linux \"%s\", ours \"%s\"".formatted(line, linux.get(line), ours.get(line))).toList();
        assertThat(different).isEmpty();
        assertThat(publisher.counts()).as("EIO is what an exception becomes").allSatisfy(node -> assertThat(node.refused()).as(node.path()).doesNotContainKey(5));
        assertThat(publisher.counts()).extracting(NodeCounts::openFiles).as("files left open").containsOnly(0L);
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
