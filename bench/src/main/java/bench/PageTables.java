package bench;

import iommu.common.table.RadixTable;
import iommu.common.table.TablePool;
import iommufd.api.DmaAccess;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.TableMemory;
import iommufd.core.memory.HostPhysicalMemory;
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

/** The page-table layer alone: one writer, tables present, no hardware to tell. Addresses vary from operation to operation. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 400, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@OperationsPerInvocation(PageTables.ADDRESSES)
public class PageTables {
    static final int ADDRESSES = 512;
    private static final int RANGE_PAGES = 256;
    private static final long PAGE = 1L << 12;
    private static final long LARGE_PAGE = 1L << 21;
    private static final long FRAMES_BYTES = 64L << 20;
    /** Leaf tables present from here on: 128 MiB. */
    private static final long SMALL_BASE = 0x1234_0000_0000L;
    private static final int LEAF_TABLES = 64;
    /** Level-1 tables present from here on: 8 GiB. */
    private static final long LARGE_BASE = 0x2345_0000_0000L;
    private static final int LARGE_TABLES = 8;
    /** All mapped with small leaves: 128 MiB. */
    private static final long WALKED_BASE = 0x3456_0000_0000L;

    private final TableMemory frames = new HostPhysicalMemory(FRAMES_BYTES).tables();
    private final RadixTable table = new RadixTable(SecondStage.FORMAT, new TablePool(frames));
    private final PinnedRuns runs = new PinnedRuns(1);
    private final long[] smallPages = new long[ADDRESSES];
    private final long[] largePages = new long[ADDRESSES];
    private final long[] ranges = new long[ADDRESSES];
    private final long[] walked = new long[ADDRESSES];
    private final long[] physicalPages = new long[ADDRESSES];
    private final long[] physicalLargePages = new long[ADDRESSES];

    @Setup
    public void prepare() {
        var random = new Random(42);
        for (int i = 0; i < LEAF_TABLES; i++) {
            present(SMALL_BASE + i * LARGE_PAGE, PAGE);
            map(WALKED_BASE + i * LARGE_PAGE, random.nextLong(1 << 20) * PAGE, LARGE_PAGE, true);
        }
        for (int i = 0; i < LARGE_TABLES; i++) {
            present(LARGE_BASE + ((long) i << 30), LARGE_PAGE);
        }
        for (int i = 0; i < ADDRESSES; i++) {
            smallPages[i] = SMALL_BASE + random.nextLong(LEAF_TABLES * 512) * PAGE;
            largePages[i] = LARGE_BASE + random.nextLong(LARGE_TABLES * 512) * LARGE_PAGE;
            ranges[i] = SMALL_BASE + random.nextLong(LEAF_TABLES) * LARGE_PAGE + random.nextLong(RANGE_PAGES) * PAGE;
            walked[i] = WALKED_BASE + random.nextLong(LEAF_TABLES * LARGE_PAGE);
            physicalPages[i] = (1 + random.nextLong(1 << 28)) * PAGE;
            physicalLargePages[i] = (1 + random.nextLong(1 << 19)) * LARGE_PAGE;
        }
    }

    private void present(long iova, long pageBytes) {
        map(iova, 0, pageBytes, false);
        table.unmap(iova, iova + pageBytes - 1);
    }

    private void map(long iova, long physicalAddress, long lengthBytes, boolean smallestOnly) {
        runs.clear();
        runs.add(physicalAddress, lengthBytes);
        table.map(iova, runs, DmaAccess.READ_WRITE, smallestOnly);
    }

    private long mapAndUnmap(long[] iovas, long[] physicalAddresses, long lengthBytes) {
        long unmapped = 0;
        for (int i = 0; i < ADDRESSES; i++) {
            long iova = iovas[i];
            map(iova, physicalAddresses[i], lengthBytes, false);
            unmapped += table.unmap(iova, iova + lengthBytes - 1);
            table.recycle();
        }
        if (unmapped != ADDRESSES * lengthBytes) {
            throw new AssertionError("unmapped only " + unmapped);
        }
        return unmapped;
    }

    @Benchmark
    public long smallPage() {
        return mapAndUnmap(smallPages, physicalPages, PAGE);
    }

    @Benchmark
    public long largePage() {
        return mapAndUnmap(largePages, physicalLargePages, LARGE_PAGE);
    }

    @Benchmark
    public long range() {
        return mapAndUnmap(ranges, physicalPages, RANGE_PAGES * PAGE);
    }

    @Benchmark
    public long walk() {
        long sum = 0;
        for (int i = 0; i < ADDRESSES; i++) {
            sum += table.translate(walked[i]);
        }
        return sum;
    }

    /** The same by the C twin, on the tables that the Java code built. */
    @State(Scope.Thread)
    public static class InC {
        private final MemorySegment addresses = Arena.global().allocate(ADDRESSES * 8L, 64);
        private final MemorySegment physicals = Arena.global().allocate(ADDRESSES * 8L, 64);
        private final MemorySegment live = Arena.global().allocate((FRAMES_BYTES >>> 12) * 2, 64);

        private long mapAndUnmap(PageTables java, long[] iovas, long[] physicalAddresses, int count, int level) throws Throwable {
            copy(iovas, addresses);
            copy(physicalAddresses, physicals);
            long unmapped = (long) Twin.MAP_UNMAP.invokeExact(HostMemory.WINDOW, java.table.root(), live, java.frames.baseAddress() >>> 12,
                    addresses, physicals, ADDRESSES, count, level);
            if (unmapped != (long) ADDRESSES * count) {
                throw new AssertionError("C unmapped only " + unmapped);
            }
            return unmapped;
        }

        private long walk(PageTables java) throws Throwable {
            copy(java.walked, addresses);
            return (long) Twin.WALK.invokeExact(HostMemory.WINDOW, java.table.root(), addresses, ADDRESSES);
        }

        private static void copy(long[] from, MemorySegment to) {
            MemorySegment.copy(from, 0, to, ValueLayout.JAVA_LONG, 0, ADDRESSES);
        }

        @Setup
        public void agrees(PageTables java) throws Throwable {
            if (walk(java) != java.walk()) {
                throw new AssertionError("the C twin walks elsewhere");
            }
        }
    }

    @Benchmark
    public long smallPageInC(InC c) throws Throwable {
        return c.mapAndUnmap(this, smallPages, physicalPages, 1, 0);
    }

    @Benchmark
    public long largePageInC(InC c) throws Throwable {
        return c.mapAndUnmap(this, largePages, physicalLargePages, 1, 1);
    }

    @Benchmark
    public long rangeInC(InC c) throws Throwable {
        return c.mapAndUnmap(this, ranges, physicalPages, RANGE_PAGES, 0);
    }

    @Benchmark
    public long walkInC(InC c) throws Throwable {
        return c.walk(this);
    }
}
