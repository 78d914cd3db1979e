package vmm.runtime.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import vmm.runtime.demo.Finding.Verdict;

class FindingsTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Findings findings = new Findings(new Screen(new PrintStream(out, true, StandardCharsets.UTF_8)));

    private void report(Verdict verdict, String text) {
        findings.report(new Finding("a promise", "some hardware", verdict, text), "1 ms");
    }

    @Test
    void whatIsNotShownCountsNeitherWay() {
        report(Verdict.ABSENT, "not built");
        report(Verdict.ELSEWHERE, "a script");
        assertThat(findings.held()).as("nothing was shown").isFalse();
        assertThat(findings.summary("1 s")).contains("Nothing was shown", "1 shown elsewhere, 1 not in this version");
        report(Verdict.HELD, "7 of 7");
        assertThat(findings.held()).isTrue();
        assertThat(findings.summary("1 s")).startsWith("All 1 shown held, in 1 s.");
    }

    @Test
    void oneThatDoesNotHoldSpoilsAll() {
        report(Verdict.HELD, "7 of 7");
        report(Verdict.NOT_HELD, "6 of 7");
        report(Verdict.HELD, "7 of 7");
        assertThat(findings.held()).isFalse();
        assertThat(findings.summary("1 s")).startsWith("1 of 3 shown do NOT HOLD, in 1 s.");
    }

    @Test
    void eachHasALineWithItsWord() {
        report(Verdict.NOT_HELD, "6 of 7");
        report(Verdict.ABSENT, "not built");
        assertThat(out.toString(StandardCharsets.UTF_8).lines()).hasSize(3)
                .anySatisfy(line -> assertThat(line).contains("a promise", "some hardware", "NOT HELD", "1 ms", "6 of 7"))
                .anySatisfy(line -> assertThat(line).contains("not in this version", "not built"));
    }
}
