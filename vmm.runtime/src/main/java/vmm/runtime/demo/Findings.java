package vmm.runtime.demo;

import java.util.ArrayList;
import java.util.List;
import vmm.runtime.demo.Finding.Verdict;

/** The table of promises, a line as each comes out, and what they come to. Not thread-safe. */
final class Findings {
    private static final String ROW = "%-32s %-10s %-20s %8s   %s";

    private final Screen screen;
    private final List<Finding> all = new ArrayList<>();

    /** Begins the table. */
    Findings(Screen screen) {
        this.screen = screen;
        screen.line(ROW.formatted("PROMISE", "HARDWARE", "RESULT", "TOOK", "WHAT WAS SHOWN"));
    }

    /** One came out. @param took how long it was shown */
    void report(Finding finding, String took) {
        all.add(finding);
        screen.line(ROW.formatted(finding.promise(), finding.hardware(), finding.verdict().word(), took, finding.text()));
    }

    private long count(Verdict verdict) {
        return all.stream().filter(finding -> finding.verdict() == verdict).count();
    }

    /** Whether something was shown, and all that was shown held. */
    boolean held() {
        return count(Verdict.HELD) > 0 && count(Verdict.NOT_HELD) == 0;
    }

    /** What it comes to, in a sentence. @param duration how long all of it took */
    String summary(String duration) {
        long broken = count(Verdict.NOT_HELD);
        long shown = broken + count(Verdict.HELD);
        String verdict = shown == 0 ? "Nothing was shown"
                : held() ? "All %d shown held".formatted(shown) : "%d of %d shown do NOT HOLD".formatted(broken, shown);
        return "%s, in %s. Counted neither way: %d shown elsewhere, %d not in this version."
                .formatted(verdict, duration, count(Verdict.ELSEWHERE), count(Verdict.ABSENT));
    }
}
