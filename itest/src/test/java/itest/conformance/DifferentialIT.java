package itest.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/**
 * Random requests to this project's {@code /dev/iommu} answered as Linux 7.3 answered them: itest/differential/run.sh. Skips,
 * and says why, where a piece is missing that cannot be had.
 */
class DifferentialIT {
    private static final Path ROOT = Path.of("").toAbsolutePath().getParent();
    private static final String SHORT_SEEDS = "20";
    private static final String SHORT_OPERATIONS = "300";
    private static final int SKIPPED = 77;

    @Test
    void everyRequestIsAnsweredAsLinuxAnswersIt() throws IOException, InterruptedException {
        useWhatThisBuildMade();
        Process run = new ProcessBuilder(ROOT.resolve("itest/differential/run.sh").toString(), SHORT_SEEDS, SHORT_OPERATIONS)
                .redirectErrorStream(true).start();
        run.getOutputStream().close();
        String output = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = run.waitFor();
        System.out.println("differential test: " + output.strip());
        assumeTrue(code != SKIPPED, () -> "differential test " + output.strip());
        assertThat(code).as(output).isZero();
    }

    /** The reactor packages the runtime before it comes here, but leaves the jar's time alone if nothing changed in it. */
    private static void useWhatThisBuildMade() throws IOException {
        Path runtime = ROOT.resolve("cnf/app/target/vmm.jar");
        if (Files.exists(runtime)) {
            Files.setLastModifiedTime(runtime, FileTime.from(Instant.now()));
        }
    }
}
