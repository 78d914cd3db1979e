package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import itest.Vmm;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A guest with a virtual function moves between two runtimes while it works, and from one vendor's IOMMU to the other's. */
class LiveMigrationIT {
    private static final Pattern NUMBER = Pattern.compile("(\\w+)=([0-9.]+)");

    @ParameterizedTest
    @CsvSource({"vtd, smmuv3", "smmuv3, vtd"})
    void noBlockAndNoPageIsWrongAfterwards(String from, String to) throws Exception {
        String output = Vmm.script("migration from " + from + " to " + to, "itest/clients/migrate.sh", from, to);
        Map<String, Double> source = numbers(output, "@@ source");
        Map<String, Double> target = numbers(output, "@@ target");
        assertThat(source.get("commands")).isGreaterThan(100);
        assertThat(target).containsEntry("commands_before", source.get("commands")).containsEntry("wrong_blocks", 0.0).containsEntry("wrong_pages", 0.0)
                .containsEntry("failed", 0.0);
        assertThat(target.get("commands")).as("the guest goes on").isGreaterThan(source.get("commands") + 100);
        assertThat(target.get("blocks")).isPositive();
        assertThat(target.get("pages")).isPositive();
        // Pages were copied while the guest ran: what is sent again is what was written, not all of it each time.
        assertThat(source.get("pages")).isLessThan(source.get("rounds") * (64 << 20) / 4096);
        assertThat(output).contains("@@ end");
    }

    /** QEMU's own migration: it knows nothing of this project. */
    @ParameterizedTest
    @CsvSource({"vtd, smmuv3, group", "smmuv3, vtd, cdev"})
    void aGuestOfQemuMovesAndItsDiskIsRight(String from, String to, String way) throws Exception {
        String output = Vmm.script("QEMU migrates from %s to %s, %s".formatted(from, to, way), "itest/clients/migrate-guest.sh", from, to, way);
        Map<String, Double> migrated = numbers(output, "source: @@ migrated");
        assertThat(migrated.get("device_bytes")).isPositive();
        assertThat(output).doesNotContain("@@ error").doesNotContain("@@ kernel");
        String last = output.lines().filter(line -> line.startsWith("target: @@ churn") && line.contains("wrong_blocks")).findFirst().orElseThrow(() -> new AssertionError(output));
        assertThat(last).contains("wrong_blocks=0 failed=0");
        assertThat(output.lines().filter(line -> line.startsWith("source: @@ churn"))).hasSizeGreaterThan(1);
        assertThat(output).contains("target: @@ end");
    }

    private static Map<String, Double> numbers(String output, String start) {
        String line = output.lines().filter(text -> text.startsWith(start)).findFirst().orElseThrow(() -> new AssertionError(output));
        return NUMBER.matcher(line).results().collect(Collectors.toMap(found -> found.group(1), found -> Double.valueOf(found.group(2))));
    }
}
