package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.DeviceNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPInputStream;
import javax.inject.Inject;
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
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.Migration;
import vfio.device.MsiCapability;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;
import vfio.device.VfioGroup;

/** A device model is a service: a C program drives it through VFIO, loses it, dies with it. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VfioDevicesIT {
    @Inject
    private BundleContext context;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd", "devnode.fuse", "vfio.adapter")};
    }

    @Before
    public void nodesCanBePublishedHere() {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname")) && hasCompiler();
        if (!possible) {
            System.err.println("SKIPPED: VfioDevicesIT needs root, /dev/fuse and a C compiler");
        }
        assumeTrue("needs root, /dev/fuse and a C compiler", possible);
    }

    private static boolean hasCompiler() {
        try {
            return new ProcessBuilder("cc", "--version").redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor() == 0;
        } catch (IOException | InterruptedException missing) {
            return false;
        }
    }

    /** Writes a word to memory and interrupts; without an address it adds one to the word in shared memory. */
    private static final class Engine implements VfioDevice {
        private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG;
        private static final long SHARED_WORD = 8;
        final AtomicInteger starts = new AtomicInteger();
        final AtomicInteger ends = new AtomicInteger();

        @Override
        public PciFunction function() {
            return PciFunction.at(RequesterId.of(0, 0, 5, 0), new PciIds(0x1234, 0x11E8, 0x1AF4, 0x1100, 0xFF0000, 1))
                    .bar(Bar.trapped(0, 4096)).bar(Bar.shared(2, 8192, new Bar.Area(0, 4096)))
                    .capability(new PciExpressCapability(false)).capability(new MsixCapability(2, 2, 4096, 2, 6144)).build();
        }

        @Override
        public RunningDevice start(DeviceHost host) {
            starts.incrementAndGet();
            DmaPort port = host.openPort();
            MemorySegment buffer = Arena.ofAuto().allocate(8);
            long[] registers = new long[3];
            return new RunningDevice() {
                @Override
                public synchronized long read(int bar, long offset, int widthBytes) {
                    return offset < 24 && bar == 0 ? registers[(int) offset / 8] : 0;
                }

                @Override
                public synchronized void write(int bar, long offset, int widthBytes, long value) {
                    registers[(int) offset / 8 % 3] = value;
                    if (offset != 16) {
                        return;
                    }
                    if (registers[0] == 0) {
                        MemorySegment shared = host.sharedMemory(2);
                        shared.set(WORD, SHARED_WORD, shared.get(WORD, SHARED_WORD) + 1);
                        VarHandle.fullFence();
                    } else {
                        buffer.set(WORD, 0, registers[1]);
                        port.write(registers[0], buffer, 0, 8);
                    }
                    host.interrupts().message(0);
                }

                @Override
                public void reset() { }

                @Override
                public Optional<Migration> migration() {
                    return Optional.of(new Migration() {
                        @Override
                        public void setActivity(Activity activity) { }

                        @Override
                        public long stateBytes() {
                            return 8;
                        }

                        @Override
                        public ReadableByteChannel copyStopped() {
                            return Channels.newChannel(new ByteArrayInputStream(new byte[8]));
                        }

                        @Override
                        public WritableByteChannel restore() {
                            return Channels.newChannel(new ByteArrayOutputStream());
                        }
                    });
                }

                @Override
                public void close() {
                    ends.incrementAndGet();
                }
            };
        }
    }

    private static Path compiled() throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("vmm-vfio");
        Path source = directory.resolve("vfio.c");
        try (InputStream text = VfioDevicesIT.class.getResourceAsStream("/itest/vfio.c")) {
            Files.copy(text, source);
        }
        Path program = directory.resolve("vfio");
        assertEquals(0, new ProcessBuilder("cc", "-O1", "-Wall", "-o", program.toString(), source.toString()).inheritIO().start().waitFor());
        return program;
    }

    /** What QEMU's {@code edu} looks like from outside; it does nothing. */
    private static final class Edu implements VfioDevice {
        @Override
        public PciFunction function() {
            return PciFunction.at(RequesterId.of(0, 0, 4, 0), new PciIds(0x1234, 0x11E8, 0x1AF4, 0x1100, 0x00FF00, 0x10))
                    .bar(new Bar(0, Bar.Space.MEMORY_32, 1 << 20, false, List.of())).capability(new MsiCapability(1, false)).interruptPin().build();
        }

        @Override
        public RunningDevice start(DeviceHost host) {
            return new RunningDevice() {
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
            };
        }
    }

    /** Random requests, and what Linux 7.3 answered to each. */
    @Test(timeout = 120_000)
    public void answersAreThoseOfLinux() throws Exception {
        Path differential = Path.of("").toAbsolutePath().getParent().resolve("itest/differential");
        Path directory = Files.createTempDirectory("vmm-vfio");
        Path program = directory.resolve("vfio-device");
        Path answers = directory.resolve("answers.txt");
        assertEquals(0, new ProcessBuilder("cc", "-O1", "-w", "-o", program.toString(), differential.resolve("vfio-device.c").toString()).inheritIO().start().waitFor());
        ServiceRegistration<VfioDevice> registration = register(new Edu());
        try {
            assertEquals(0, run("sh", "-c", program + " 1 20 400 /dev/vfio/devices/vfio0 > " + answers));
        } finally {
            registration.unregister();
        }
        List<String> ours = Files.readAllLines(answers);
        try (BufferedReader linux = new BufferedReader(new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(differential.resolve("linux-7.3-vfio-device.txt.gz"))), StandardCharsets.UTF_8))) {
            for (String line : ours) {
                assertEquals(linux.readLine(), line);
            }
            assertNull(linux.readLine());
        }
        assertEquals(8000, ours.size());
    }

    private ServiceRegistration<VfioDevice> register(VfioDevice engine) {
        ServiceRegistration<VfioDevice> registration = context.registerService(VfioDevice.class, engine, null);
        Await.until("its node", () -> !Bundles.references(context, DeviceNode.class, "(" + DeviceNode.PATH + "=/dev/vfio/devices/vfio0)").isEmpty());
        return registration;
    }

    private int run(String... command) throws InterruptedException {
        return Bundles.service(context, ClientLauncher.class).run(List.of(command));
    }

    @Test(timeout = 60_000)
    public void aProgramDrivesTheDevice() throws Exception {
        Engine engine = new Engine();
        ServiceRegistration<VfioDevice> registration = register(engine);
        try {
            assertEquals("the program fails; its message is above", 0, run(compiled().toString(), "drive"));
            Await.until("the device is closed", () -> engine.ends.get() == 2);
            assertEquals(2, engine.starts.get());
            assertEquals(1, Bundles.references(context, VfioGroup.class, null).size());
        } finally {
            registration.unregister();
        }
        assertEquals(0, Bundles.references(context, VfioGroup.class, null).size());
        assertTrue(Bundles.references(context, DeviceNode.class, "(" + DeviceNode.PATH + "=/dev/vfio/*)").isEmpty());
    }

    @Test(timeout = 60_000)
    public void aProgramLosesTheDevice() throws Exception {
        Engine engine = new Engine();
        ServiceRegistration<VfioDevice> registration = register(engine);
        Path program = compiled();
        Path ready = program.resolveSibling("ready");
        FutureTask<Integer> holder = new FutureTask<>(() -> run("env", "READY=" + ready, program.toString(), "hold"));
        Thread.ofPlatform().start(holder);
        Await.until("the program holds the device", () -> Files.exists(ready));
        registration.unregister();
        assertEquals(1, engine.ends.get());
        assertEquals("the program fails; its message is above", 0, (int) holder.get(20, TimeUnit.SECONDS));
    }

    @Test(timeout = 60_000)
    public void aProgramDiesWithTheDevice() throws Exception {
        Engine engine = new Engine();
        ServiceRegistration<VfioDevice> registration = register(engine);
        try {
            String program = compiled().toString();
            for (int i = 1; i <= 3; i++) {
                int times = i;
                assertEquals(128 + 9, run(program, "die"));
                Await.until("the device is closed", () -> engine.ends.get() == times);
            }
            assertEquals("it can be had again; the program's message is above", 0, run(program, "drive"));
        } finally {
            registration.unregister();
        }
        assertEquals(engine.starts.get(), engine.ends.get());
    }
}
