package itest.conformance;

import itest.Vmm;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Linux's own VFIO selftests, unmodified, against this project's containers, groups and device nodes: itest/selftests/run-vfio.sh.
 * Skips, and says why, where a piece is missing that cannot be had.
 */
class VfioSelftestsIT {
    @Test
    void everySelftestEndsAsExpected() throws IOException, InterruptedException {
        Vmm.script("VFIO selftests", "itest/selftests/run-vfio.sh");
    }
}
