package itest.conformance;

import itest.Vmm;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Linux's own iommufd selftests, unmodified, against this project's {@code /dev/iommu}: itest/selftests/run-iommufd.sh. Skips,
 * and says why, where a piece is missing that cannot be had.
 */
class IommufdSelftestsIT {
    @Test
    void everySelftestEndsAsExpected() throws IOException, InterruptedException {
        Vmm.script("iommufd selftests", "itest/selftests/run-iommufd.sh");
    }
}
