package bench;

import iommu.common.dma.Iotlb;
import iommufd.api.DmaAccess;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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

/** Hits in the IOTLB of a port, at random pages. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 400, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@OperationsPerInvocation(Translations.ADDRESSES)
public class Translations {
    static final int ADDRESSES = 512;
    private static final int PAGES = 2048;

    private final Iotlb iotlb = new Iotlb();
    private final long[] iovas = new long[ADDRESSES];
    private final long[] physicalAddresses = new long[PAGES];

    @Setup
    public void prepare() {
        var random = new Random(7);
        for (int page = 0; page < PAGES; page++) {
            physicalAddresses[page] = (1 + random.nextLong(1 << 30)) << 12;
            iotlb.remember((long) page << 12, physicalAddresses[page], 12, DmaAccess.READ_WRITE.bits());
        }
        for (int i = 0; i < ADDRESSES; i++) {
            iovas[i] = random.nextLong((long) PAGES << 12);
        }
    }

    @Benchmark
    public long iotlb() {
        long sum = 0;
        for (int i = 0; i < ADDRESSES; i++) {
            long physicalAddress = iotlb.lookup(iovas[i], DmaAccess.WRITE_BIT);
            if (physicalAddress < 0) {
                throw new AssertionError("miss");
            }
            sum += physicalAddress;
        }
        return sum;
    }

    /** The same by the C twin, with the same entries. */
    @State(Scope.Thread)
    public static class InC {
        private final MemorySegment entries = Arena.global().allocate(PAGES * 16L, 64);
        private final MemorySegment addresses = Arena.global().allocate(ADDRESSES * 8L, 64);

        @Setup
        public void prepare(Translations java) throws Throwable {
            for (int page = 0; page < PAGES; page++) {
                Twin.IOTLB_REMEMBER.invokeExact(entries, PAGES, (long) page << 12, java.physicalAddresses[page] | 3);
            }
            if (lookUp(java) != java.iotlb()) {
                throw new AssertionError("the C twin translates differently");
            }
        }

        long lookUp(Translations java) throws Throwable {
            MemorySegment.copy(java.iovas, 0, addresses, ValueLayout.JAVA_LONG, 0, ADDRESSES);
            return (long) Twin.IOTLB_LOOKUP.invokeExact(entries, PAGES, addresses, ADDRESSES);
        }
    }

    @Benchmark
    public long iotlbInC(InC c) throws Throwable {
        return c.lookUp(this);
    }
}
