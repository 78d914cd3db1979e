package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.runner.RunnerException;

/** Measures what the goals speak of and prints a table; a full run is kept in {@code bench/RESULTS.md}. */
public final class Bench {
    private static final Path RESULTS = Path.of("bench", "RESULTS.md");
    private static final String NO_COMPILER = "NO C COMPILER: there is no `cc` here, so the rows in C, which show what the machine can do, are missing.";

    private final Map<Row, Measurement> found = new EnumMap<>(Row.class);
    private final Map<String, Map<String, Measurement>> scenarios = new HashMap<>();
    private final List<String> lines = new ArrayList<>();
    private final boolean quick;

    private Bench(boolean quick) {
        this.quick = quick;
    }

    public static void main(String[] arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of(arguments));
        boolean list = words.remove("-l");
        boolean quick = words.remove("--quick");
        List<Row> rows = Row.selected(words);
        if (rows.isEmpty() || words.stream().anyMatch(word -> word.startsWith("-"))) {
            System.err.println("bench: usage: bench [--quick] [-l] [part of a name...]; -l lists the names");
            System.exit(2);
        }
        if (list) {
            rows.forEach(row -> System.out.printf("%-28s %s%n", row.key, row.title.strip()));
            return;
        }
        var bench = new Bench(quick);
        bench.measure(rows);
        if (words.isEmpty() && !quick) {
            bench.keep();
        }
    }

    private void measure(List<Row> rows) throws IOException, InterruptedException {
        boolean compiler = Machine.compiler().isPresent();
        say(Machine.describe() + (quick ? "; quick, so rough" : ""));
        say("load at the start: " + Machine.load());
        if (!compiler) {
            say(NO_COMPILER);
        }
        say("");
        say(Table.head());
        for (Row row : rows) {
            if (row.inC() && !compiler) {
                say(Table.missing(row, "no C compiler"));
                continue;
            }
            try {
                Measurement measurement = measure(row);
                found.put(row, measurement);
                say(Table.line(row, measurement));
            } catch (RunnerException | IllegalStateException failure) {
                say(Table.missing(row, "failed: " + failure.getMessage()));
            }
        }
        say("");
        Table.verdicts(found).forEach(this::say);
        say("load at the end: " + Machine.load());
        if (!compiler) {
            say(NO_COMPILER);
        }
    }

    private Measurement measure(Row row) throws RunnerException, IOException, InterruptedException {
        if (!row.scenario()) {
            return Jmh.run(row, quick);
        }
        Map<String, Measurement> all = scenarios.get(row.source());
        if (all == null) {
            all = Alone.run(row.source(), quick);
            scenarios.put(row.source(), all);
        }
        Measurement measurement = all.get(row.key);
        if (measurement == null) {
            throw new IllegalStateException(row.source() + " found nothing; its messages are above");
        }
        return measurement;
    }

    private void say(String line) {
        System.out.println(line);
        lines.add(line);
    }

    private void keep() throws IOException {
        Files.writeString(RESULTS, "# The last full run of `./vmm bench`\n\n```\n" + String.join("\n", lines) + "\n```\n");
        System.out.println("kept in " + RESULTS);
    }
}
