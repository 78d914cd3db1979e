package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.node.NodeActivity;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
import org.osgi.service.cm.ConfigurationAdmin;

/** A guest writes and reads the NVMe disk of this runtime while the runtime changes under it. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class GuestUnderChangeIT {
    private static final String DISK_PID = "vmm.devices.nvme";
    private static final long DISK_BYTES = 64L << 20;
    private static final int SWAPS = 20;

    @Inject
    private BundleContext context;

    private Iommus iommus;
    private Path file;
    private org.osgi.service.cm.Configuration disk;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void plugInADisk() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname"));
        if (!possible) {
            System.err.println("SKIPPED: GuestUnderChangeIT needs root and /dev/fuse");
        }
        assumeTrue("needs root and /dev/fuse", possible);
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
        file = Files.createTempFile("vmm-disk", ".img");
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw")) {
            content.setLength(DISK_BYTES);
        }
        disk = Bundles.service(context, ConfigurationAdmin.class).createFactoryConfiguration(DISK_PID, "?");
        disk.update(Bundles.properties(Map.of("namespaces", file.toString())));
        awaitDisk();
    }

    @After
    public void unplug() throws Exception {
        if (disk != null) {
            disk.delete();
            Files.delete(file);
        }
    }

    private NodeActivity nodes() {
        return Bundles.service(context, NodeActivity.class);
    }

    private void awaitDisk() {
        Await.until(() -> "nodes of the disk, there are " + nodes().counts(), () -> List.of("/dev/vfio/vfio", "/dev/vfio/devices/vfio").stream()
                .allMatch(path -> nodes().counts().stream().anyMatch(node -> node.path().startsWith(path))));
    }

    private void assertNothingIsLeft() {
        Await.until(() -> "no open file, there are " + nodes().counts(), () -> nodes().counts().stream().allMatch(node -> node.openFiles() == 0));
    }

    private static void assertContent(RunningGuest guest) throws Exception {
        assertEquals(guest.said(), 0, guest.await());
        assertTrue(guest.said(), guest.lines("kernel").isEmpty() && guest.lines("error").isEmpty());
        assertEquals(guest.said(), 1, guest.lines("end").size());
    }

    /** Whoever comes next finds a disk that works. */
    private void assertTheNextGuestIsContent() throws Exception {
        try (RunningGuest guest = RunningGuest.start(context, "--disk", "group", "--work", "check:8")) {
            assertContent(guest);
            assertTrue(guest.said(), guest.lines("check").getFirst().contains(" wrong_blocks=0 "));
        }
        assertNothingIsLeft();
    }

    @Test(timeout = 240_000)
    public void aGuestDoesNotNoticeThatTheIommuIsExchanged() throws Exception {
        try (RunningGuest guest = RunningGuest.start(context, "--disk", "group", "--work", "churn:10")) {
            guest.awaitProgress();
            for (int i = 0; i < SWAPS; i++) {
                String before = iommus.serving();
                SwapReport report = iommus.swap();
                assertNotEquals(before, iommus.serving());
                assertEquals("endpoints moved", 1, report.endpoints());
                assertTrue("the guest's memory moved: " + report, report.mappedBytes() >= 128L << 20);
                if (i % 5 == 0) {
                    guest.awaitProgress();
                }
            }
            assertFalse("the guest ended before the last swap", guest.said().contains("failed="));
            assertContent(guest);
            assertTrue(guest.said(), guest.lines("churn").getLast().contains(" wrong_blocks=0 failed=0 "));
        }
        assertNothingIsLeft();
    }

    @Test(timeout = 240_000)
    public void ofAGuestThatIsKilledNothingIsLeft() throws Exception {
        try (RunningGuest guest = RunningGuest.start(context, "--disk", "group", "--work", "churn:60")) {
            guest.awaitProgress();
            guest.kill();
            assertNotEquals(0, guest.await());
        }
        assertNothingIsLeft();
        assertTheNextGuestIsContent();
    }

    @Test(timeout = 240_000)
    public void aGuestOutlivesItsDisk() throws Exception {
        Bundle devices = Bundles.named(context, "vmm.devices");
        try (RunningGuest guest = RunningGuest.start(context, "--disk", "group", "--removable", "--work", "churn:15")) {
            guest.awaitProgress();
            devices.stop();
            assertEquals(guest.said(), 0, guest.await());
            assertEquals(guest.said(), 1, guest.lines("end").size());
            assertFalse("the guest did not lose its disk", guest.lines("churn").getLast().contains(" failed=0 "));
            assertTrue(guest.said(), guest.lines("churn").getLast().contains(" wrong_blocks=0 "));
        } finally {
            devices.start();
        }
        awaitDisk();
        assertTheNextGuestIsContent();
    }
}
