package bench;

import java.util.Collection;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** Runs the benchmarks; arguments are JMH's own ({@code -l} lists, {@code -h} explains, a name selects). */
public final class Bench {
    private Bench() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0 && (arguments[0].equals("-l") || arguments[0].equals("-h"))) {
            org.openjdk.jmh.Main.main(arguments);
            return;
        }
        Collection<RunResult> results = new Runner(new OptionsBuilder()
                        .parent(commandLine(arguments))
                        .addProfiler(GCProfiler.class) // hot paths must allocate nothing
                        .jvmArgsAppend("--enable-native-access=ALL-UNNAMED", "-Xmx2g")
                        .build())
                .run();
        if (results.isEmpty()) {
            System.exit(1);
        }
    }

    private static CommandLineOptions commandLine(String[] arguments) {
        try {
            return new CommandLineOptions(arguments);
        } catch (CommandLineOptionException e) {
            System.err.println("bench: " + e.getMessage());
            System.exit(2);
            throw new AssertionError(e);
        }
    }
}
