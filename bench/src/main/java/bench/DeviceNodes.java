package bench;

import com.sun.management.ThreadMXBean;
import devnode.fuse.FuseConfiguration;
import devnode.fuse.FusePublisher;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.Attachable;
import iommufd.api.DmaAccess;
import iommufd.api.IommufdContext;
import iommufd.api.Ioas;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.node.IommuNode;
import java.io.InputStream;
import java.lang.annotation.Annotation;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A C program ({@code node.c}) at {@code /dev/iommu}, with one VT-d device attached to its address space. Needs root, FUSE and cc. */
final class DeviceNodes implements Scenario {
    private static final long LARGE_BYTES = 8L << 30;
    private static final int ATTACH = 0x6201;
    private static final int ALLOCATION_UNIT_BYTES = 16;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private int devices;

    @Override
    public void run(boolean quick, Findings findings) throws Exception {
        engine.add(new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0")), 0);
        findings.found("largeInside", mapInside(quick ? 200 : 2000) / 1e6, 0, "after warm-up");
        FusePublisher publisher = new FusePublisher(new Defaults());
        publisher.addNode(new IommuNode(engine), Map.of(DeviceNode.PATH, "/dev/iommu"));
        publisher.addNode(new DeviceOfBench(), Map.of(DeviceNode.PATH, "/dev/bench-device"));
        Path directory = Files.createTempDirectory("bench-node");
        Path results = directory.resolve("results");
        Path program = compile(directory);
        int exit = publisher.run(List.of("sh", "-c", "exec '" + program + "' " + (quick ? "quick" : "full") + " >'" + results + "'"));
        if (exit != 0) {
            throw new IllegalStateException("the program failed with exit code " + exit);
        }
        report(Files.readAllLines(results), findings);
    }

    private static long allocatedByServers() {
        long bytes = 0;
        for (var thread : THREADS.getThreadInfo(THREADS.getAllThreadIds())) {
            if (thread != null && thread.getThreadName().startsWith("devnode-")) {
                bytes += Math.max(0, THREADS.getThreadAllocatedBytes(thread.getThreadId()));
            }
        }
        return bytes;
    }

    private static void report(List<String> lines, Findings findings) {
        for (String line : lines) {
            String[] words = line.split(" ");
            double scale = switch (words[0]) {
                case "rate" -> 1;
                case "large", "largeUsed" -> 1e6;
                default -> 1e3;
            };
            findings.found(words[0], Double.parseDouble(words[1]) / scale, Double.parseDouble(words[4]), scale == 1 ? "" : "min %.3g, p99 %.3g"
                    .formatted(Double.parseDouble(words[2]) / scale, Double.parseDouble(words[3]) / scale));
        }
    }

    private double mapInside(int rounds) {
        try (IommufdContext context = engine.service().open(); GuestRam ram = memory.allocateGuestRam(LARGE_BYTES, true)) {
            Ioas ioas = context.allocateIoas();
            attach(context, ioas);
            var samples = new Samples(rounds);
            for (int round = -rounds; round < rounds; round++) {
                long start = System.nanoTime();
                ioas.mapAt(1L << 40, ram, 0, LARGE_BYTES, DmaAccess.READ_WRITE);
                long took = System.nanoTime() - start;
                ioas.unmap(1L << 40, LARGE_BYTES);
                if (round >= 0) {
                    samples.add(took);
                }
            }
            return samples.median();
        }
    }

    private void attach(IommufdContext context, Attachable target) {
        context.bind(engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, devices++, 0)))).attach(target);
    }

    /**
     * Attaches a device to an address space of an open {@code /dev/iommu}: the argument is its descriptor and the object's number. Or
     * tells what the serving threads have allocated.
     */
    private final class DeviceOfBench implements DeviceNode {
        @Override
        public OpenNode open(Caller caller) {
            return new OpenNode() {
                @Override
                public long ioctl(Caller by, int request, long argument) {
                    if (request != ATTACH) {
                        return allocatedByServers() / ALLOCATION_UNIT_BYTES;
                    }
                    IommufdFile iommu = (IommufdFile) by.files().node((int) (argument >>> 32)).orElseThrow();
                    attach(iommu.context(), (Ioas) iommu.context().object((int) argument));
                    return 0;
                }

                @Override
                public void close() {}
            };
        }
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
            return 1000;
        }

        @Override
        public Class<? extends Annotation> annotationType() {
            return FuseConfiguration.class;
        }
    }

    private static Path compile(Path directory) throws Exception {
        Path source = directory.resolve("node.c");
        Path program = directory.resolve("node");
        try (InputStream text = DeviceNodes.class.getResourceAsStream("node.c")) {
            Files.copy(text, source);
        }
        if (new ProcessBuilder("cc", "-O2", "-pthread", "-o", program.toString(), source.toString()).inheritIO().start().waitFor() != 0) {
            throw new IllegalStateException("cc cannot compile " + source);
        }
        return program;
    }
}
