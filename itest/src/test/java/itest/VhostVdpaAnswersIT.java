package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assume.assumeTrue;

import iommufd.api.dma.RequesterId;
import iommufd.api.node.ClientLauncher;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPInputStream;
import javax.inject.Inject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaDevice;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;

/**
 * Random requests to a vhost-vdpa node are answered as Linux 7.3 answered them: {@code itest/differential/vhost-vdpa.c}. Both have a
 * device of the same shape, Linux's simulator and one here, that does nothing with its queues.
 */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VhostVdpaAnswersIT {
    private static final int SEEDS = 20;
    private static final int OPERATIONS = 400;

    @Inject
    private BundleContext context;

    /** As {@code vdpa_sim_net}: three queues of which the last is in a group of its own, two address spaces. Its configuration stays. */
    private static final class QuietDevice implements VdpaDevice {
        private static final int NETWORK = 1;
        /** MTU, address, status, control queue, its order for the address, any layout. */
        private static final long FEATURES = 1L << 3 | 1L << 5 | 1L << 16 | 1L << 17 | 1L << 23 | 1L << 27;
        private static final int CONFIG_BYTES = 24;
        private static final int STATUS_OFFSET = 6;

        private final MemorySegment config = MemorySegment.ofArray(new byte[CONFIG_BYTES]);
        private final VdpaFunction function = VdpaFunction.at(RequesterId.of(0, 0, 8, 0), NETWORK).features(FEATURES).queues(3, 256)
                .groups(List.of(0, 0, 1)).addressSpaces(2).config(CONFIG_BYTES).suspends().enablesLate().build();

        @Override
        public VdpaFunction function() {
            return function;
        }

        @Override
        public RunningVdpa start(VdpaHost host) {
            return new Quiet(config);
        }
    }

    /** Remembers where queues are, as long as nothing is reset. */
    private record Quiet(MemorySegment config, QueueState[] states) implements RunningVdpa {
        private Quiet(MemorySegment config) {
            this(config, new QueueState[] {QueueState.SPLIT_START, QueueState.SPLIT_START, QueueState.SPLIT_START});
        }

        @Override
        public void negotiated(long features) { }

        @Override
        public void driverReady() { }

        @Override
        public void queueReady(int queue, QueueSetup setup) {
            states[queue] = setup.state();
        }

        @Override
        public QueueState queueStopped(int queue) {
            return states[queue];
        }

        @Override
        public QueueState queueState(int queue) {
            return states[queue];
        }

        @Override
        public void kick(int queue) { }

        @Override
        public void readConfig(int offset, MemorySegment target) {
            config.set(ValueLayout.JAVA_SHORT_UNALIGNED, QuietDevice.STATUS_OFFSET, (short) 1);
            target.copyFrom(config.asSlice(offset, target.byteSize()));
        }

        @Override
        public void writeConfig(int offset, MemorySegment source) {
            config.asSlice(offset).copyFrom(source);
        }

        @Override
        public void suspend() { }

        @Override
        public void resume() { }

        @Override
        public void reset() { }

        @Override
        public void close() { }
    }

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd", "devnode.fuse", "vdpa.adapter")};
    }

    @Test(timeout = 120_000)
    public void answersAreThoseOfLinux() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname")) && Files.isExecutable(Path.of("/usr/bin/cc"));
        if (!possible) {
            System.err.println("SKIPPED: VhostVdpaAnswersIT needs root, /dev/fuse and a C compiler (cc)");
        }
        assumeTrue("needs root, /dev/fuse and a C compiler (cc)", possible);
        Path differential = Path.of("").toAbsolutePath().getParent().resolve("itest/differential");
        Path directory = Files.createTempDirectory("vmm-vdpa");
        Path program = directory.resolve("vhost-vdpa");
        Path answers = directory.resolve("answers.txt");
        assertEquals(0, new ProcessBuilder("cc", "-std=gnu17", "-O1", "-w", "-o", program.toString(), differential.resolve("vhost-vdpa.c").toString())
                .inheritIO().start().waitFor());
        ServiceRegistration<VdpaDevice> device = context.registerService(VdpaDevice.class, new QuietDevice(), null);
        try {
            assertEquals(0, Bundles.service(context, ClientLauncher.class).run(List.of("sh", "-c",
                    "%s 1 %d %d /dev/vhost-vdpa-0 > %s".formatted(program, SEEDS, OPERATIONS, answers))));
        } finally {
            device.unregister();
        }
        List<String> ours = Files.readAllLines(answers);
        try (BufferedReader linux = new BufferedReader(new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(differential.resolve("linux-7.3-vhost-vdpa.txt.gz"))), StandardCharsets.UTF_8))) {
            for (String line : ours) {
                assertEquals(linux.readLine(), line);
            }
            assertNull(linux.readLine());
        }
        assertEquals(SEEDS * OPERATIONS, ours.size());
    }
}
