package itest.clients;

import itest.Vmm;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Drivers in user space, without a guest. They skip, and say why, where a piece is missing that cannot be had. */
class UserSpaceDriverIT {
    @Test
    void qemusNvmeDriverReadsWhatItHasWritten() throws Exception {
        try (DiskFile disk = DiskFile.create()) {
            List<String> options = new ArrayList<>(disk.nvme());
            options.addAll(List.of("--set", "doorbells=poll-all"));   // it maps all registers
            Vmm.client("qemu-io", options, "itest/clients/qemu-io.sh");
        }
    }

    @Test
    void dpdkCopiesWithAnIoatEngine() throws Exception {
        Vmm.client("DPDK", List.of("--device", "ioat"), "itest/clients/dpdk.sh");
    }
}
