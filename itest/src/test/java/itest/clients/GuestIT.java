package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import itest.Vmm;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A Debian kernel boots in QEMU with this runtime's NVMe controller as its disk, writes 64 MiB, reads them back, and what lies in the
 * disk's file afterwards is what it wrote. Skips, and says why, where a piece is missing that cannot be had.
 */
class GuestIT {
    private static final int MIB = 64;
    private static final int SEED = 4711;
    /** 64 MiB each way in requests of 128 KiB, and the flush; several may share one interrupt. */
    private static final int LEAST_INTERRUPTS = 300;

    @ParameterizedTest(name = "QEMU {0}, {1}, {2} memory, vIOMMU {3}")
    @CsvSource({
        "7.2, group, memfd, false",
        "7.2, group, private, false",
        "7.2, group, memfd, true",
        "10, group, memfd, false",
        "10, cdev, memfd, false",
        "10, cdev, private, false",
        "10, cdev, memfd, true",
    })
    void whatAGuestWritesIsWhatItReads(String qemu, String way, String memory, boolean viommu) throws Exception {
        try (DiskFile disk = DiskFile.create()) {
            List<String> arguments = new ArrayList<>(List.of("--qemu", qemu, "--disk", way, "--ram", memory, "--seed", Integer.toString(SEED),
                    "--work", "check:" + MIB));
            if (viommu) {
                arguments.add("--viommu");
            }
            List<String> options = new ArrayList<>(disk.nvme());
            if (way.equals("cdev")) {
                options.add("--char-devices");   // QEMU looks whether it is one
            }
            GuestReport report = new GuestReport(Vmm.client("guest of QEMU " + qemu, options, "itest/clients/guest.sh", arguments.toArray(String[]::new)));
            report.assertContent();
            assertThat(report.values("check")).containsEntry("bytes", Integer.toString(MIB << 20)).containsEntry("wrong_blocks", "0");
            assertThat(report.values("check").get("read")).isEqualTo(report.values("check").get("written"));
            assertThat(report.number("interrupts", "nvme")).isGreaterThan(LEAST_INTERRUPTS);
            assertThat(report.number("disk", "iommu_groups") > 0).as("the guest uses an IOMMU of its own").isEqualTo(viommu);
            disk.assertHasWhatWasWritten(SEED, MIB);
        }
    }
}
