package itest.conformance;

import itest.Vmm;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Random requests to this project's {@code /dev/iommu} answered as Linux 7.3 answered them: itest/differential/run.sh. Skips,
 * and says why, where a piece is missing that cannot be had.
 */
class DifferentialIT {
    private static final String SHORT_SEEDS = "20";
    private static final String SHORT_OPERATIONS = "300";

    @Test
    void everyRequestIsAnsweredAsLinuxAnswersIt() throws IOException, InterruptedException {
        Vmm.script("differential test", "itest/differential/run.sh", SHORT_SEEDS, SHORT_OPERATIONS);
    }
}
