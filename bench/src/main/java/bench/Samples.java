package bench;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;

/** Numbers of one kind, kept in an array that exists beforehand, and what the calling thread allocated meanwhile. */
final class Samples {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final double[] values;
    private int count;

    Samples(int capacity) {
        values = new double[capacity];
    }

    void add(double value) {
        values[count++] = value;
    }

    int count() {
        return count;
    }

    /** The value that a share of {@code quantile} of all values does not exceed. */
    double quantile(double quantile) {
        double[] sorted = Arrays.copyOf(values, count);
        Arrays.sort(sorted);
        return sorted[Math.min(count - 1, (int) (quantile * count))];
    }

    double median() {
        return quantile(0.5);
    }

    /** Bytes the calling thread has allocated so far. */
    static long allocatedBytes() {
        return THREADS.getCurrentThreadAllocatedBytes();
    }
}
