package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.NodeActivity;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
import org.osgi.framework.ServiceReference;
import org.osgi.service.cm.ConfigurationAdmin;

/** Guests, DPDK and a program in C drive virtio devices by vhost-vdpa while the runtime changes under them, or they are killed. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VdpaClientsIT {
    private static final long DISK_BYTES = 64L << 20;
    private static final int SWAPS = 20;
    private static final int SKIPPED = 77;
    private static final Pattern SENT = Pattern.compile("@@ send packets=(\\d+) pps=(\\d+)");

    @Inject
    private BundleContext context;

    private Iommus iommus;
    private Path directory;
    private final List<org.osgi.service.cm.Configuration> plugged = new ArrayList<>();

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void nodesCanBePublishedHere() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname"));
        if (!possible) {
            System.err.println("SKIPPED: VdpaClientsIT needs root and /dev/fuse");
        }
        assumeTrue("needs root and /dev/fuse", possible);
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
        directory = Files.createTempDirectory("vmm-it");
    }

    @After
    public void unplug() throws Exception {
        for (org.osgi.service.cm.Configuration device : plugged) {
            device.delete();
        }
        Await.until(() -> "no node of a device, there are " + nodes().counts(), () -> nodes().counts().stream().noneMatch(node -> node.path().contains("vdpa")));
    }

    private NodeActivity nodes() {
        return Bundles.service(context, NodeActivity.class);
    }

    private void plug(String model, Map<String, Object> properties, String node) throws Exception {
        org.osgi.service.cm.Configuration device = Bundles.service(context, ConfigurationAdmin.class).createFactoryConfiguration("vmm.devices." + model, "?");
        plugged.add(device);
        device.update(Bundles.properties(properties));
        Await.until(() -> node + ", there are " + nodes().counts(), () -> nodes().counts().stream().anyMatch(there -> there.path().startsWith(node)));
    }

    private void plugPair() throws Exception {
        plug("virtio.net", Map.of("address", "0000:01:00.0", "mac", "52:54:00:00:00:01", "cable", "loopback=pair"), "/dev/vhost-vdpa-0");
        plug("virtio.net", Map.of("address", "0000:01:00.1", "mac", "52:54:00:00:00:02", "cable", "loopback=pair"), "/dev/vhost-vdpa-1");
    }

    private void plugDisk() throws Exception {
        Path file = directory.resolve("disk.img");
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw")) {
            content.setLength(DISK_BYTES);
        }
        plug("virtio.blk", Map.of("file", file.toString()), "/dev/vhost-vdpa-0");
    }

    private void assertNothingIsLeft() {
        Await.until(() -> "no open file, there are " + nodes().counts(), () -> nodes().counts().stream().allMatch(node -> node.openFiles() == 0));
    }

    private static void assertContent(RunningGuest guest) throws Exception {
        assertEquals(guest.said(), 0, guest.await());
        assertTrue(guest.said(), guest.lines("kernel").isEmpty() && guest.lines("error").isEmpty());
        assertTrue(guest.said(), guest.lines("peer kernel").isEmpty() && guest.lines("peer error").isEmpty());
        assertEquals(guest.said(), 1, guest.lines("end").size());
    }

    private static void assertTrafficWasRight(RunningGuest guest) {
        assertTrue(guest.said(), guest.lines("stream").getLast().contains(" missing=0 wrong=0 "));
        Matcher datagrams = Pattern.compile("@@ datagrams sent=(\\d+) answered=(\\d+) wrong=0 ").matcher(guest.lines("datagrams").getLast());
        assertTrue(guest.said(), datagrams.find());
        assertEquals(guest.said(), datagrams.group(1), datagrams.group(2));
    }

    /** Exchanges VT-d and SMMUv3 while a guest is at work. */
    private void swapUnder(RunningGuest guest, int endpoints) {
        guest.awaitProgress();
        for (int i = 0; i < SWAPS; i++) {
            String before = iommus.serving();
            SwapReport report = iommus.swap();
            assertNotEquals(before, iommus.serving());
            assertEquals("endpoints moved", endpoints, report.endpoints());
            assertTrue("the guest's memory moved: " + report, report.mappedBytes() >= 128L << 20);
            if (i % 5 == 0) {
                guest.awaitProgress();
            }
        }
    }

    @Test(timeout = 240_000)
    public void guestsThatSpeakDoNotNoticeThatTheIommuIsExchanged() throws Exception {
        plugPair();
        try (RunningGuest guests = RunningGuest.startPair(context, "--qemu", "10", "--work", "traffic:8,bye")) {
            swapUnder(guests, 2);
            assertTrue("the guests ended before the last swap", guests.lines("datagrams").isEmpty());
            assertContent(guests);
            assertTrafficWasRight(guests);
        }
        assertNothingIsLeft();
    }

    @Test(timeout = 240_000)
    public void aGuestsBlocksAreRightWhileTheIommuIsExchanged() throws Exception {
        plugDisk();
        try (RunningGuest guest = RunningGuest.start(context, "--qemu", "10", "--disk", "vdpa", "--work", "churn:8")) {
            swapUnder(guest, 1);
            assertTrue("the guest ended before the last swap", guest.lines("churn").stream().noneMatch(line -> line.contains("failed=")));
            assertContent(guest);
            assertTrue(guest.said(), guest.lines("churn").getLast().contains(" wrong_blocks=0 failed=0 "));
        }
        assertNothingIsLeft();
    }

    @Test(timeout = 240_000)
    public void ofGuestsThatAreKilledNothingIsLeft() throws Exception {
        plugPair();
        try (RunningGuest guests = RunningGuest.startPair(context, "--qemu", "10", "--work", "traffic:60,bye")) {
            guests.awaitProgress();
            guests.kill(2);
            assertNotEquals(0, guests.await());
        }
        assertNothingIsLeft();
        try (RunningGuest guests = RunningGuest.startPair(context, "--qemu", "7.2", "--work", "ping:5,bye")) {
            assertContent(guests);
            assertTrue(guests.said(), guests.lines("ping").getFirst().contains(" answered=5 wrong=0 "));
        }
        assertNothingIsLeft();
    }

    private String theDevice() throws Exception {
        ServiceReference<?>[] devices = context.getAllServiceReferences("vdpa.device.VdpaDevice", null);
        assertEquals(1, devices.length);
        return context.getService(devices[0]).toString();
    }

    /** What testpmd says it has sent is what came, to the packet; split and packed queues. */
    @Test(timeout = 240_000)
    public void whatDpdkSendsArrives() throws Exception {
        plug("virtio.net", Map.of("cable", "null"), "/dev/vhost-vdpa-0");
        long before = 0;
        for (String queues : List.of("packed_vq=0", "packed_vq=1")) {
            Path report = directory.resolve(queues);
            int code = Bundles.service(context, ClientLauncher.class).run(List.of("sh", "-c", "exec \"$0\" send 1 %s >%s 2>&1".formatted(queues, report),
                    Path.of("").toAbsolutePath().getParent().resolve("itest/clients/dpdk-net.sh").toString()), true);
            String said = Files.readString(report).strip();
            if (code == SKIPPED) {
                System.err.println(said);
            }
            assumeTrue(said, code != SKIPPED);
            assertEquals(said, 0, code);
            Matcher sent = SENT.matcher(said);
            assertTrue(said, sent.find());
            long packets = Long.parseLong(sent.group(1));
            assertTrue(said, packets > 100_000);
            before += packets;
            assertTrue(said + " with " + theDevice(), theDevice().contains("; %d packets sent, 0 received, 0 dropped".formatted(before)));
        }
        assertNothingIsLeft();
    }

    /** The program checks that the memory was charged once, and what both devices move. */
    @Test(timeout = 60_000)
    public void aVfioDeviceAndAVdpaDeviceShareAnIommufd() throws Exception {
        boolean possible = Files.isExecutable(Path.of("/usr/bin/cc"));
        if (!possible) {
            System.err.println("SKIPPED: a C compiler (cc) is missing");
        }
        assumeTrue("needs a C compiler (cc)", possible);
        plugDisk();
        plug("edu", Map.of(), "/dev/vfio/devices/vfio");
        try (InputStream source = VdpaClientsIT.class.getResourceAsStream("/itest/shared-iommufd.c")) {
            Files.copy(source, directory.resolve("program.c"));
        }
        String program = directory.resolve("program").toString();
        assertEquals(0, new ProcessBuilder("cc", "-O1", "-w", "-o", program, program + ".c").inheritIO().start().waitFor());
        String edu = nodes().counts().stream().map(NodeActivity.NodeCounts::path).filter(path -> path.startsWith("/dev/vfio/devices/vfio")).findFirst().orElseThrow();
        for (int i = 0; i < 2; i++) {
            assertEquals(0, Bundles.service(context, ClientLauncher.class).run(List.of(program, edu, "/dev/vhost-vdpa-0")));
            assertNothingIsLeft();
            iommus.swap();
        }
    }
}
