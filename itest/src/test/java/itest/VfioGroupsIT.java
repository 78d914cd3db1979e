package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assume.assumeTrue;

import iommufd.api.dma.RequesterId;
import iommufd.api.node.ClientLauncher;
import java.io.IOException;
import java.io.InputStream;
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
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/** Group nodes follow the devices there are, and programs that hold a group get ENODEV when a part of what is behind it goes. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VfioGroupsIT {
    private static final int GROUP = 6;
    private static final String NODE = "/dev/vfio/" + GROUP;
    private static final String DEVICE = "0000:00:06.0";

    @Inject
    private BundleContext context;
    private ServiceRegistration<VfioDevice> device;
    private Path directory;

    /** Does nothing but exist. */
    private static final class QuietDevice implements VfioDevice, RunningDevice {
        private final PciFunction function = PciFunction.at(RequesterId.of(0, 0, 6, 0), new PciIds(0x1234, 0x11e8, 0x1af4, 0x1100, 0xff0000, 0))
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

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd", "devnode.fuse", "vfio.adapter", "vfio.compat")};
    }

    @Before
    public void aDeviceIsThere() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname")) && Files.isExecutable(Path.of("/usr/bin/cc"));
        if (!possible) {
            System.err.println("SKIPPED: VfioGroupsIT needs root, /dev/fuse and a C compiler (cc)");
        }
        assumeTrue("needs root, /dev/fuse and a C compiler (cc)", possible);
        directory = Files.createTempDirectory("vmm-it");
        try (InputStream source = VfioGroupsIT.class.getResourceAsStream("/itest/vfio-holder.c")) {
            Files.copy(source, directory.resolve("vfio-holder.c"));
        }
        assertEquals(0, new ProcessBuilder("cc", "-O1", "-w", "-o", program(), directory.resolve("vfio-holder.c").toString()).inheritIO().start().waitFor());
        device = context.registerService(VfioDevice.class, new QuietDevice(), null);
    }

    @After
    public void itGoes() {
        if (device != null) {
            device.unregister();
        }
    }

    private String program() {
        return directory.resolve("vfio-holder").toString();
    }

    private int run(String line) throws InterruptedException {
        return Bundles.service(context, ClientLauncher.class).run(List.of("sh", "-c", line));
    }

    private void plugAgain() {
        device = context.registerService(VfioDevice.class, new QuietDevice(), null);
    }

    /** A program that holds everything. */
    private final class Holder {
        private final Path output = directory.resolve("output");
        private final FutureTask<Integer> end = new FutureTask<>(() -> run("%s /dev/vfio/vfio %s %s >%s".formatted(program(), NODE, DEVICE, output)));

        Holder() throws Exception {
            Files.deleteIfExists(output);
            Thread.ofPlatform().daemon().start(end);
            Await.until("the program holds the group; it printed " + printed(), () -> printed().contains("ready") || end.isDone());
        }

        String printed() {
            try {
                return Files.readString(output);
            } catch (IOException notYet) {
                return "";
            }
        }

        /** What the files answered at the end. */
        String answers() throws Exception {
            assertEquals("printed " + printed(), 0, (int) end.get(40, TimeUnit.SECONDS));
            return printed().lines().skip(1).findFirst().orElse("");
        }
    }

    @Test(timeout = 60_000)
    public void groupNodesComeAndGoWithTheirDevices() throws Exception {
        assertEquals(0, run("test -e " + NODE + " -a -e /dev/vfio/vfio"));
        device.unregister();
        assertEquals(1, run("test -e " + NODE));
        plugAgain();
        assertEquals(0, run("test -e " + NODE));
    }

    @Test(timeout = 90_000)
    public void aDeviceGoesUnderAProgram() throws Exception {
        Holder holder = new Holder();
        device.unregister();
        assertEquals("container 0, group ENODEV, device ENODEV", holder.answers());
        plugAgain();
        Holder next = new Holder();
        device.unregister();
        assertEquals("container 0, group ENODEV, device ENODEV", next.answers());
        plugAgain();
    }

    @Test(timeout = 200_000)
    public void bundlesStopUnderAProgramAndComeBack() throws Exception {
        for (String name : List.of("vfio.compat", "vfio.adapter", "iommufd.core")) {
            Holder holder = new Holder();
            Bundle bundle = Bundles.named(context, name);
            bundle.stop();
            boolean containersGo = !name.equals("vfio.adapter");
            assertEquals(name, "container %s, group ENODEV, device ENODEV".formatted(containersGo ? "ENODEV" : "0"), holder.answers());
            bundle.start();
            Await.until("the group's node after " + name + " came back", () -> {
                try {
                    return run("test -e " + NODE + " -a -e /dev/vfio/vfio") == 0;
                } catch (InterruptedException interrupted) {
                    throw new AssertionError(interrupted);
                }
            });
        }
        Holder again = new Holder();
        device.unregister();
        again.answers();
        plugAgain();
    }
}
