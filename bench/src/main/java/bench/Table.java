package bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The table a person reads. */
final class Table {
    private static final String LINE = "%-46s %10s %10s %10s %8s  %-9s %s";

    private Table() {}

    static String head() {
        String head = LINE.formatted("", "measured", "at least", "aim", "B/op", "reached", "").stripTrailing();
        return head + "\n" + "-".repeat(head.length());
    }

    static String line(Row row, Measurement found) {
        return LINE.formatted(row.title, row.unit.text(found.value()),
                row.yardstick() ? "" : row.unit.text(row.atLeast), row.yardstick() ? "" : row.unit.text(row.aim),
                row.yardstick() ? "" : "%.1f".formatted(found.allocatedBytes()), verdict(row, found), found.note()).stripTrailing();
    }

    static String missing(Row row, String why) {
        return LINE.formatted(row.title, "-", row.yardstick() ? "" : row.unit.text(row.atLeast),
                row.yardstick() ? "" : row.unit.text(row.aim), "", row.yardstick() ? "" : "NO", why).stripTrailing();
    }

    private static String verdict(Row row, Measurement found) {
        if (row.yardstick()) {
            return "";
        }
        String speed = row.unit.reaches(found.value(), row.aim) ? "aim"
                : row.unit.reaches(found.value(), row.atLeast) ? "at least" : "NO";
        return allocates(found) && !speed.equals("NO") ? "NO: B/op" : speed;
    }

    /** Less than a byte per operation is the harness. */
    static boolean allocates(Measurement found) {
        return found.allocatedBytes() >= 1;
    }

    static List<String> verdicts(Map<Row, Measurement> found) {
        List<String> lines = new ArrayList<>();
        long aim = count(found, "aim");
        long atLeast = count(found, "at least");
        long goals = found.keySet().stream().filter(row -> !row.yardstick()).count();
        lines.add("%d of %d goals reach their aim, %d more at least the lower bound, %d neither."
                .formatted(aim, goals, atLeast, goals - aim - atLeast));
        return lines;
    }

    private static long count(Map<Row, Measurement> found, String verdict) {
        return found.entrySet().stream().filter(e -> verdict(e.getKey(), e.getValue()).equals(verdict)).count();
    }
}
