package itest.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import itest.Vmm;
import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * QEMU's own qtest programs for IOMMUs, unmodified, against this project's boards: itest/qtest/run.sh, which compares every subtest's result
 * with itest/qtest/expected.txt. Skips, and says why, what Debian's newest QEMU has not got and where a piece is missing.
 */
class QemuQtestIT {
    @ParameterizedTest
    @ValueSource(strings = {"intel-iommu-test", "iommu-smmuv3-test", "iommu-intel-test"})
    void everySubtestPasses(String program) throws IOException, InterruptedException {
        String output = Vmm.script("QEMU's " + program, "itest/qtest/run.sh", program);
        assertThat(output.lines()).anyMatch(line -> line.startsWith("pass ")).noneMatch(line -> line.matches("(fail|skip) .*"));
    }
}
