package bench;

import java.util.Collection;
import java.util.function.ToDoubleFunction;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Runs one JMH benchmark and takes medians over its iterations: a neighbour's burst spoils one of them, not the result. */
final class Jmh {
    private Jmh() {}

    static Measurement run(Row row, boolean quick) throws RunnerException {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("^bench\\." + row.key.replace(".", "\\.") + "$")
                .addProfiler(GCProfiler.class)
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT);
        if (quick) {
            options.forks(1).warmupIterations(2).warmupTime(TimeValue.milliseconds(200))
                    .measurementIterations(3).measurementTime(TimeValue.milliseconds(150));
        }
        Collection<RunResult> results = new Runner(options.build()).run();
        RunResult result = results.iterator().next();
        double allocated = median(result, iteration -> score(iteration, "gc.alloc.rate.norm"));
        double yardstickNanos = median(result, iteration -> score(iteration, SideBySide.YARDSTICK));
        if (Double.isNaN(yardstickNanos)) {
            double nanos = median(result, iteration -> iteration.getPrimaryResult().getScore());
            return new Measurement(row.unit.ofNanos(nanos), allocated, "");
        }
        double share = median(result, iteration -> score(iteration, SideBySide.YARDSTICK) / score(iteration, SideBySide.MEASURED));
        double operations = median(result, iteration -> score(iteration, SideBySide.OPERATIONS));
        double measuredNanos = median(result, iteration -> score(iteration, SideBySide.MEASURED));
        return new Measurement(100 * share, allocated, "%s; bare copy %s".formatted(
                Unit.NANOS.text(measuredNanos / operations), Unit.NANOS.text(yardstickNanos / operations)));
    }

    private static double score(IterationResult iteration, String secondary) {
        Result<?> result = iteration.getSecondaryResults().get(secondary);
        return result == null ? Double.NaN : result.getScore();
    }

    private static double median(RunResult result, ToDoubleFunction<IterationResult> value) {
        double[] values = result.getBenchmarkResults().stream()
                .flatMap(fork -> fork.getIterationResults().stream()).mapToDouble(value).sorted().toArray();
        return values[values.length / 2];
    }
}
