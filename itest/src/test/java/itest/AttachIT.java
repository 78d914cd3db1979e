package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import iommufd.api.node.SysfsDirectory;
import iommufd.api.node.SysfsEntry;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
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

/** Programs attach to a runtime that is up, as {@code ./vmm exec --attach} does: several at once, and across an update of the publisher. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class AttachIT {
    private static final String NODE = "/dev/vmm-it/counter";

    @Inject
    private BundleContext context;

    private final List<ServiceRegistration<?>> registrations = new ArrayList<>();

    /** Each read of whatever program gives the next number. */
    private static final class Counter implements DeviceNode {
        private final AtomicInteger next = new AtomicInteger();

        @Override
        public OpenNode open(Caller caller) {
            return new OpenNode() {
                @Override
                public long ioctl(Caller by, int request, long argument) {
                    throw new IommufdException(Errno.ENOTTY, "nothing but reads");
                }

                @Override
                public int read(Caller by, MemorySegment target, long offset) {
                    byte[] line = (next.incrementAndGet() + "\n").getBytes();
                    target.asSlice(0, line.length).copyFrom(MemorySegment.ofArray(line));
                    return line.length;
                }

                @Override
                public void close() { }
            };
        }
    }

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "devnode.fuse")};
    }

    @Before
    public void publish() {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname"));
        if (!possible) {
            System.err.println("SKIPPED: AttachIT needs root and /dev/fuse");
        }
        assumeTrue("needs root and /dev/fuse", possible);
        SysfsDirectory sysfs = () -> Map.of("counter0/dev", new SysfsEntry.DeviceNumber(NODE));
        registrations.add(context.registerService(DeviceNode.class, new Counter(),
                Bundles.properties(Map.of(DeviceNode.PATH, NODE, DeviceNode.DRIVER, "counter", DeviceNode.DESCRIPTOR_REQUESTS, new int[] {1234}))));
        registrations.add(context.registerService(SysfsDirectory.class, sysfs, Bundles.properties(Map.of(SysfsDirectory.PATH, "/sys/class/counter"))));
    }

    @After
    public void withdraw() {
        registrations.forEach(ServiceRegistration::unregister);
    }

    private static Process start(String shell) throws IOException {
        List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElseThrow(), "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1", "-cp", Deployment.jar("devnode.fuse") + ":" + Deployment.jar("iommufd.api"), "devnode.fuse.attach.Attach",
                "--attach", Long.toString(ProcessHandle.current().pid()), "--char-devices", "--", "sh", "-c", shell));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private static String line(String shell) throws IOException, InterruptedException {
        Process process = start(shell);
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(output, 0, process.waitFor());
        return output.strip();
    }

    @Test(timeout = 60_000)
    public void programsShareWhatTheRuntimeHolds() throws Exception {
        Process first = start("exec 9<" + NODE + "; head -c 2 <&9; read line; head -c 2 <&9; exit 5");
        try (BufferedReader output = first.inputReader()) {
            assertEquals("1", output.readLine());
            assertEquals("2", line("head -c 2 " + NODE));
            first.outputWriter().append("go on\n").flush();
            assertEquals("3", output.readLine());
            assertEquals(5, first.waitFor());
        }
        String[] number = line("stat -c '%Hr:%Lr' " + NODE + "; cat /sys/class/counter/counter0/dev").split("\n");
        assertEquals(number[0], number[1]);
        assertFalse(Files.exists(Path.of(NODE)));
    }

    @Test(timeout = 60_000)
    public void programsAttachAgainWhenThePublisherIsBack() throws Exception {
        Bundle publisher = Bundles.named(context, "devnode.fuse");
        publisher.stop();
        Process refused = start("true");
        String message = new String(refused.getInputStream().readAllBytes());
        assertEquals(message, 125, refused.waitFor());
        assertTrue(message, message.contains("vmm exec: "));
        publisher.start();
        line("head -c 2 " + NODE);
    }
}
