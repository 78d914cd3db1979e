package bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The yardstick: what this machine's memory gives to a bare copy and a bare fill of one block. A DMA of the same size
 * can be no faster; what it takes longer is the price of translation.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MemoryBandwidth {
    @Param({"64", "4096", "2097152"})
    public long size;

    private Arena arena;
    private MemorySegment source;
    private MemorySegment target;

    @Setup
    public void allocate() {
        arena = Arena.ofConfined();
        source = arena.allocate(size, 4096).fill((byte) 1); // touched, so that no page is the shared zero page
        target = arena.allocate(size, 4096).fill((byte) 2);
    }

    @TearDown
    public void free() {
        arena.close();
    }

    @Benchmark
    public void copy() {
        MemorySegment.copy(source, 0, target, 0, size);
    }

    @Benchmark
    public void fill() {
        target.fill((byte) 3);
    }
}
