package vmm.runtime.demo;

import java.io.Console;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import vmm.runtime.text.TextTable;

/** Where the demonstration is shown: headings, checks as they come, and on a terminal one line that shows what goes on. */
final class Screen {
    private static final int CLAIM_WIDTH = 62;
    private static final String ERASE_LINE = "\r\033[K";

    private final PrintStream out;
    private final boolean terminal;
    private final List<Check> checks = new ArrayList<>();
    private int steps;

    Screen(PrintStream out) {
        this.out = out;
        Console console = System.console();
        this.terminal = console != null && console.isTerminal();
    }

    void line(String text) {
        erase();
        out.println(text);
        out.flush();
    }

    /** A step begins. */
    void step(String title) {
        line("\n%d  %s".formatted(++steps, title));
    }

    /** What is going on; the next output replaces it. */
    void progress(String text) {
        if (terminal) {
            out.print(ERASE_LINE + "   ... " + text);
            out.flush();
        }
    }

    /** A remark under the step. */
    void note(String text) {
        line("   " + text);
    }

    /** A check came out. */
    void check(String claim, boolean held, String measured) {
        checks.add(new Check(claim, held, measured));
        line("   %s %s %s %s".formatted(claim, ".".repeat(Math.max(2, CLAIM_WIDTH - claim.length())), held ? "ok    " : "FAILED", measured));
    }

    /** All checks so far. */
    List<Check> checks() {
        return List.copyOf(checks);
    }

    /** Everything in one table, and the verdict. */
    void summary(String duration) {
        TextTable table = new TextTable("CHECK", "RESULT", "MEASURED");
        for (Check check : checks) {
            table.row(check.claim(), check.held() ? "ok" : "FAILED", check.measured());
        }
        line("\nSummary\n\n" + table.toString().indent(3).stripTrailing());
        long failed = checks.stream().filter(check -> !check.held()).count();
        line("\n" + (failed == 0
                ? "All %d checks held, in %s.".formatted(checks.size(), duration)
                : "%d of %d checks FAILED, in %s; the table says which and why.".formatted(failed, checks.size(), duration)));
    }

    private void erase() {
        if (terminal) {
            out.print(ERASE_LINE);
        }
    }
}
