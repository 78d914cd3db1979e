package bench;

import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.dma.DmaPort;
import iommufd.api.memory.GuestRam;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Map and unmap through the engine: areas, pins, one HWPT with a device attached, invalidation. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 4, time = 400, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@OperationsPerInvocation(AddressSpaces.MAPPINGS)
public class AddressSpaces {
    static final int MAPPINGS = 256;
    private static final long LARGE_PAGE = 1L << 21;
    private static final long IOVA_BASE = 1L << 32;

    private final EngineRig rig = new EngineRig();
    private final Ioas ioas = rig.ioas();
    private final DmaPort port = rig.plug();
    private final GuestRam ram = rig.ram(MAPPINGS * LARGE_PAGE, true);
    private final long[] iovas = new long[MAPPINGS];

    @Setup
    public void prepare() {
        var random = new Random(11);
        for (int i = 0; i < MAPPINGS; i++) {
            iovas[i] = IOVA_BASE + (2 * random.nextLong(2048) + 1) * LARGE_PAGE;
            ioas.mapAt(IOVA_BASE + 16L * i * LARGE_PAGE, ram, i * LARGE_PAGE, LARGE_PAGE, DmaAccess.READ_WRITE); // stays
        }
    }

    @Benchmark
    public long largePage() {
        long unmapped = 0;
        for (int i = 0; i < MAPPINGS; i++) {
            ioas.mapAt(iovas[i], ram, i * LARGE_PAGE, LARGE_PAGE, DmaAccess.READ_WRITE);
            unmapped += ioas.unmap(iovas[i], LARGE_PAGE);
        }
        return unmapped;
    }
}
