package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaFault;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.DeviceNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
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

/** A program ({@code private.c}) maps memory that only it has, and a device of this runtime reads and writes it, through every vendor's IOMMU. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class PrivateMemoryIT {
    @Inject
    private BundleContext context;

    private Iommus iommus;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void programsCanRunHere() {
        require("root", Files.isWritable(Path.of("/proc/sys/kernel/hostname")));
        require("/dev/fuse", Files.isWritable(Path.of("/dev/fuse")));
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
    }

    private static void require(String what, boolean there) {
        if (!there) {
            System.err.println("SKIPPED: PrivateMemoryIT needs " + what);
        }
        assumeTrue("needs " + what, there);
    }

    /** Runs the program. @return what its device's requests failed of */
    private CopyingDevice run(String mode) throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("vmm-private");
        Path program = compile(directory);
        CopyingDevice device = new CopyingDevice(Bundles.service(context, DmaFabric.class), iommus::swap);
        ServiceRegistration<DeviceNode> registration = context.registerService(DeviceNode.class, device,
                Bundles.properties(Map.of(DeviceNode.PATH, CopyingDevice.PATH)));
        try {
            int exit = Bundles.service(context, ClientLauncher.class).run(List.of(program.toString(), mode));
            assertEquals("mode " + mode + "; the reason is above", 0, exit);
            return device;
        } finally {
            registration.unregister();
            Files.delete(program);
            Files.delete(directory.resolve("private.c"));
            Files.delete(directory);
        }
    }

    private static Path compile(Path directory) throws IOException, InterruptedException {
        Path source = directory.resolve("private.c");
        try (InputStream text = PrivateMemoryIT.class.getResourceAsStream("private.c")) {
            Files.copy(text, source);
        }
        Path program = directory.resolve("private");
        try {
            int exit = new ProcessBuilder("cc", "-O1", "-w", "-o", program.toString(), source.toString()).inheritIO().start().waitFor();
            assertEquals(0, exit);
        } catch (IOException noCompiler) {
            require("a C compiler (cc)", false);
        }
        return program;
    }

    @Test(timeout = 60_000)
    public void aDeviceReadsAndWritesPrivateMemory() throws Exception {
        List<DmaFault> faults = List.copyOf(run("live").faults);
        Map<String, Long> atomics = faults.stream().filter(fault -> fault.iova() == 0x4000_0000L && fault.kind() == DmaFault.Kind.EXTERNAL_ABORT)
                .collect(Collectors.groupingBy(DmaFault::toString, Collectors.counting()));
        assertEquals("one refused atomic each of two IOMMUs: " + atomics, 2, atomics.size());
    }

    @Test(timeout = 60_000)
    public void whenTheProcessHasEndedItsMemoryIsNotThere() throws Exception {
        List<DmaFault> faults = List.copyOf(run("orphan").faults);
        assertEquals(faults.toString(), 2, faults.size());
        faults.forEach(fault -> assertEquals(fault.toString(), DmaFault.Kind.EXTERNAL_ABORT, fault.kind()));
    }

    @Test(timeout = 60_000)
    public void aProcessIsKilledUnderDma() throws Exception {
        for (int round = 0; round < 3; round++) {
            List<DmaFault> faults = List.copyOf(run("victim").faults);
            assertTrue(faults.toString(), faults.size() == 2 && faults.stream().allMatch(fault -> fault.kind() == DmaFault.Kind.EXTERNAL_ABORT));
        }
    }
}
