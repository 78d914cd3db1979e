package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assume.assumeTrue;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.ClientLauncher;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import javax.inject.Inject;
import org.junit.After;
import org.junit.Before;
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

/** A program in C drives a vDPA device through its node: rings, eventfds, mappings, state; and it is killed, or the device goes. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VhostVdpaIT {
    private static final String NODE = "/dev/vhost-vdpa-0";

    @Inject
    private BundleContext context;
    private ServiceRegistration<VdpaDevice> device;
    private Path directory;

    /** Copies the first descriptor of a chain to the second, when it is kicked. */
    private static final class CopyingDevice implements VdpaDevice {
        private final VdpaFunction function = VdpaFunction.at(RequesterId.of(0, 0, 8, 0), 42).config(8).suspends().build();

        @Override
        public VdpaFunction function() {
            return function;
        }

        @Override
        public RunningVdpa start(VdpaHost host) {
            return new Copier(host);
        }
    }

    /** Kicks come on one thread, and no other call comes while this program waits for its buffer. */
    private static final class Copier implements RunningVdpa {
        private final VdpaHost host;
        private final byte[] config = new byte[8];
        private final MemorySegment scratch = Arena.ofAuto().allocate(8192, 8);
        private volatile QueueSetup queue;
        private volatile boolean suspended;
        private volatile int next;
        private DmaPort port;

        private Copier(VdpaHost host) {
            this.host = host;
        }

        @Override
        public void negotiated(long features) { }

        @Override
        public void driverReady() {
            port = host.openPort(0);
        }

        @Override
        public void queueReady(int index, QueueSetup setup) {
            next = setup.state().availIndex();
            queue = setup;
        }

        @Override
        public QueueState queueStopped(int index) {
            queue = null;
            return queueState(index);
        }

        @Override
        public QueueState queueState(int index) {
            return QueueState.split(next);
        }

        private int shortAt(long iova) {
            port.read(iova, scratch, 0, 2);
            return Short.toUnsignedInt(scratch.get(ValueLayout.JAVA_SHORT, 0));
        }

        @Override
        public void kick(int index) {
            QueueSetup ring = queue;
            if (ring == null || suspended) {
                return;
            }
            while (shortAt(ring.driverIova() + 2) != next) {
                int head = shortAt(ring.driverIova() + 4 + 2L * (next % ring.size()));
                port.read(ring.descriptorIova() + 16L * head, scratch, 0, 32);
                long to = scratch.get(ValueLayout.JAVA_LONG, 16);
                int length = scratch.get(ValueLayout.JAVA_INT, 8);
                port.read(scratch.get(ValueLayout.JAVA_LONG, 0), scratch, 0, length);
                port.write(to, scratch, 0, length);
                next++;
                scratch.set(ValueLayout.JAVA_SHORT, 0, (short) next);
                port.write(ring.deviceIova() + 2, scratch, 0, 2);
                host.call(index);
            }
        }

        @Override
        public void readConfig(int offset, MemorySegment target) {
            target.copyFrom(MemorySegment.ofArray(config).asSlice(offset, target.byteSize()));
        }

        @Override
        public void writeConfig(int offset, MemorySegment source) {
            MemorySegment.ofArray(config).asSlice(offset).copyFrom(source);
        }

        @Override
        public void suspend() {
            suspended = true;
        }

        @Override
        public void resume() {
            suspended = false;
        }

        @Override
        public void reset() {
            queue = null;
            suspended = false;
        }

        @Override
        public void close() {
            queue = null;
        }
    }

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd", "devnode.fuse", "vdpa.adapter")};
    }

    @Before
    public void aDeviceIsThere() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname")) && Files.isExecutable(Path.of("/usr/bin/cc"));
        if (!possible) {
            System.err.println("SKIPPED: VhostVdpaIT needs root, /dev/fuse and a C compiler (cc)");
        }
        assumeTrue("needs root, /dev/fuse and a C compiler (cc)", possible);
        directory = Files.createTempDirectory("vmm-it");
        try (InputStream source = VhostVdpaIT.class.getResourceAsStream("/itest/vhost-vdpa.c")) {
            Files.copy(source, directory.resolve("vhost-vdpa.c"));
        }
        assertEquals(0, new ProcessBuilder("cc", "-O1", "-w", "-o", program(), directory.resolve("vhost-vdpa.c").toString()).inheritIO().start().waitFor());
        device = context.registerService(VdpaDevice.class, new CopyingDevice(), null);
    }

    @After
    public void itGoes() {
        if (device != null) {
            device.unregister();
        }
    }

    private String program() {
        return directory.resolve("vhost-vdpa").toString();
    }

    private int run(String line) throws InterruptedException {
        return Bundles.service(context, ClientLauncher.class).run(List.of("sh", "-c", line));
    }

    @Test(timeout = 60_000)
    public void aProgramPassesBuffersThroughTheIommu() throws Exception {
        assertEquals(0, run(program() + " " + NODE));
        assertEquals("again, so nothing is left of the first", 0, run(program() + " " + NODE));
    }

    @Test(timeout = 60_000)
    public void aProgramIsKilledAndTheNextOneFindsTheDeviceFree() throws Exception {
        assertEquals(0, run("%s %s hold >%s/out & p=$!; while ! grep -q ready %s/out; do sleep 0.05; done; kill -9 $p; wait $p; %s %s"
                .formatted(program(), NODE, directory, directory, program(), NODE)));
    }

    @Test(timeout = 60_000)
    public void theDeviceGoesUnderAProgram() throws Exception {
        Path output = directory.resolve("out");
        Files.createFile(output);
        FutureTask<Integer> end = new FutureTask<>(() -> run("%s %s hold >%s".formatted(program(), NODE, output)));
        Thread.ofPlatform().daemon().start(end);
        Await.until("the program has the device", () -> {
            try {
                return Files.readString(output).contains("ready") || end.isDone();
            } catch (IOException unreadable) {
                throw new AssertionError(unreadable);
            }
        });
        assertFalse("the program still has it", end.isDone());
        device.unregister();
        assertEquals(0, (int) end.get(30, TimeUnit.SECONDS));
        device = context.registerService(VdpaDevice.class, new CopyingDevice(), null);
        assertEquals(0, run(program() + " " + NODE));
    }
}
