package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import itest.Vmm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Guests of QEMU with this runtime's virtio devices, which QEMU finds at {@code /dev/vhost-vdpa-N}. What goes is compared with what comes,
 * byte by byte, in the guest. Skips, and says why, where a piece is missing that cannot be had.
 */
class VdpaGuestIT {
    private static final String TAP = "vmmtap0";
    private static final String ADDRESS = "198.18.9.1";
    private static final String PEER = "198.18.9.2";
    private static final int MIB = 64;
    private static final int SEED = 4712;
    private static final int LEAST_INTERRUPTS = 100;
    private static final int PAUSES = 20;
    /**
     * QEMU from 8.0 on keeps whether a device is suspended for the data queues and not for the control queue, does not ask where that one
     * is, and says this. It takes the place from the ring instead, which is right.
     */
    private static final String SAID_OF_CONTROL_QUEUES = "vhost VQ 2 ring restore failed: -1: Operation not permitted (1)";

    private static List<String> complaints(GuestReport report) {
        return report.complaints().stream().filter(line -> !line.endsWith(SAID_OF_CONTROL_QUEUES)).toList();
    }

    private static void assumeTap() {
        boolean possible = Files.isWritable(Path.of("/dev/net/tun"));
        if (!possible) {
            System.err.println("SKIPPED: the guest's partner is this host behind a TAP interface, and /dev/net/tun is missing or not ours");
        }
        assumeTrue(possible, "/dev/net/tun is missing, or not ours: the guest's partner is this host behind a TAP interface");
    }

    private static GuestReport withHost(String qemu, List<String> devices, String... arguments) throws Exception {
        assumeTap();
        List<String> options = new ArrayList<>(devices);
        options.addAll(List.of("--device", "virtio.net", "--set", "cable=tap=" + TAP));
        List<String> all = new ArrayList<>(List.of("--qemu", qemu, "--nic", "/dev/vhost-vdpa-0", "--tap", TAP, "--address", ADDRESS, "--peer", PEER));
        all.addAll(List.of(arguments));
        GuestReport report = new GuestReport(Vmm.client("guest of QEMU " + qemu, options, "itest/clients/guest.sh", all.toArray(String[]::new)));
        report.assertContent();
        return report;
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10"})
    void twoGuestsSpeakToEachOther(String qemu) throws Exception {
        List<String> options = List.of("--device", "virtio.net", "--set", "address=0000:01:00.0", "--set", "mac=52:54:00:00:00:01", "--set", "cable=loopback=pair",
                "--device", "virtio.net", "--set", "address=0000:01:00.1", "--set", "mac=52:54:00:00:00:02", "--set", "cable=loopback=pair");
        GuestReport report = new GuestReport(Vmm.client("two guests of QEMU " + qemu, options, "itest/clients/guest-pair.sh", "--qemu", qemu,
                "--work", "ping:20,traffic:3,bye"));
        report.assertContent();
        report.peer().assertContent();
        assertThat(report.values("nic")).containsEntry("mac", "52:54:00:00:00:01");
        assertThat(report.peer().values("nic")).containsEntry("mac", "52:54:00:00:00:02");
        assertThat(report.values("ping")).containsEntry("sent", "20").containsEntry("answered", "20").containsEntry("wrong", "0");
        report.assertTrafficWasRight(4);
        assertThat(report.peer().values("echo")).containsEntry("bytes", report.values("stream").get("bytes"))
                .containsEntry("datagrams", report.values("datagrams").get("sent"));
        assertThat(report.number("interrupts", "virtio")).isGreaterThan(LEAST_INTERRUPTS);
        assertThat(complaints(report)).isEmpty();
    }

    @Test
    void stoppingAndGoingOnLosesNothing() throws Exception {
        GuestReport report = withHost("10", List.of(), "--disk", "none", "--no-control", "--work", "traffic:6,bye", "--pauses", Integer.toString(PAUSES));
        assertThat(report.lines("pauses=" + PAUSES)).as(report.text()).hasSize(1);
        report.assertTrafficWasRight(16);
        assertThat(report.complaints()).isEmpty();
    }

    @Test
    void stoppingAndGoingOnWithPackedQueuesLosesNothing() throws Exception {
        GuestReport report = withHost("10", List.of(), "--disk", "none", "--no-control", "--packed", "--work", "traffic:6,bye", "--pauses", Integer.toString(PAUSES));
        assertThat(report.lines("pauses=" + PAUSES)).as(report.text()).hasSize(1);
        report.assertTrafficWasRight(16);
        assertThat(report.complaints()).isEmpty();
    }

    @Test
    void whatAGuestWritesToABlockDeviceIsWhatItReads() throws Exception {
        try (DiskFile disk = DiskFile.create()) {
            GuestReport report = new GuestReport(Vmm.client("guest of QEMU 10", disk.virtio(), "itest/clients/guest.sh", "--qemu", "10", "--disk", "vdpa",
                    "--seed", Integer.toString(SEED), "--work", "check:" + MIB));
            report.assertContent();
            assertThat(report.values("check")).containsEntry("bytes", Integer.toString(MIB << 20)).containsEntry("wrong_blocks", "0");
            assertThat(report.values("check").get("read")).isEqualTo(report.values("check").get("written"));
            assertThat(report.number("interrupts", "virtio")).isGreaterThan(LEAST_INTERRUPTS);
            assertThat(report.complaints()).isEmpty();
            disk.assertHasWhatWasWritten(SEED, MIB);
        }
    }

    @Test
    void stoppingAndGoingOnFailsNoBlock() throws Exception {
        try (DiskFile disk = DiskFile.create()) {
            GuestReport report = new GuestReport(Vmm.client("guest of QEMU 10", disk.virtio(), "itest/clients/guest.sh", "--qemu", "10", "--disk", "vdpa",
                    "--work", "churn:7", "--pauses", Integer.toString(PAUSES)));
            report.assertContent();
            assertThat(report.lines("pauses=" + PAUSES)).as(report.text()).hasSize(1);
            assertThat(report.values("churn")).as(report.text()).containsEntry("wrong_blocks", "0").containsEntry("failed", "0");
            assertThat(report.complaints()).isEmpty();
        }
    }

    /** Behind one IOMMU, each by its own way to it: the disk by an iommufd, the network device by messages. */
    @Test
    void aDiskBehindVfioAndANetworkDeviceWorkTogether() throws Exception {
        try (DiskFile disk = DiskFile.create()) {
            List<String> devices = new ArrayList<>(disk.nvme());
            devices.add("--char-devices");
            GuestReport report = withHost("10", devices, "--disk", "cdev", "--work", "together:4,bye");
            report.assertTrafficWasRight(4);
            assertThat(report.values("churn")).as(report.text()).containsEntry("wrong_blocks", "0").containsEntry("failed", "0");
            assertThat(report.number("churn", "blocks")).isGreaterThan(20);
            assertThat(report.number("interrupts", "nvme")).isGreaterThan(LEAST_INTERRUPTS);
            assertThat(report.number("interrupts", "virtio")).isGreaterThan(LEAST_INTERRUPTS);
        }
    }
}
