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
 * Linux's own iommufd selftests, unmodified, against this project's {@code /dev/iommu}: itest/selftests/run-iommufd.sh. Skips,
 * and says why, where a piece is missing that cannot be had.
 */
class IommufdSelftestsIT {
    private static final Path ROOT = Path.of("").toAbsolutePath().getParent();
    private static final int SKIPPED = 77;

    @Test
    void everySelftestEndsAsExpected() throws IOException, InterruptedException {
        useWhatThisBuildMade();
        Process run = new ProcessBuilder(ROOT.resolve("itest/selftests/run-iommufd.sh").toString()).redirectErrorStream(true).start();
        run.getOutputStream().close();
        String output = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = run.waitFor();
        System.out.println("iommufd selftests: " + output.strip());
        assumeTrue(code != SKIPPED, () -> "iommufd selftests " + output.strip());
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
