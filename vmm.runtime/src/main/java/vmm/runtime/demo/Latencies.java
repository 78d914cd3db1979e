package vmm.runtime.demo;

import java.util.Arrays;
import vmm.runtime.text.Quantity;

/** Durations, and where they lie. Not thread-safe. */
final class Latencies {
    private long[] nanos = new long[64];
    private int count;

    void add(long durationNanos) {
        if (count == nanos.length) {
            nanos = Arrays.copyOf(nanos, 2 * count);
        }
        nanos[count++] = durationNanos;
    }

    /** Smallest, median, 99th percentile and largest, for a person. */
    @Override
    public String toString() {
        long[] sorted = Arrays.copyOf(nanos, count);
        Arrays.sort(sorted);
        return "min %s, median %s, p99 %s, max %s".formatted(at(sorted, 0), at(sorted, 0.5), at(sorted, 0.99), at(sorted, 1));
    }

    private static String at(long[] sorted, double quantile) {
        return sorted.length == 0 ? "-" : Quantity.time(sorted[(int) Math.ceil(quantile * (sorted.length - 1))]);
    }
}
