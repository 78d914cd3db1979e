package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.CompilerControl;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** DMA writes that hit the IOTLB, to scattered pages that fit the cache, beside bare copies to the same addresses. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(3)
@Warmup(iterations = 3, time = 400, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@OperationsPerInvocation(DmaWrites.TARGETS)
public class DmaWrites {
    static final int TARGETS = 128;
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final long PAGE = 1L << 12;
    private static final long LINE = 64;
    private static final long BLOCK = 64L << 10;
    private static final int BLOCKS = 8;
    private static final long MEMORY_BYTES = 16L << 20;
    private static final long IOVA_BASE = 0x10_0000_0000L;

    private final EngineRig rig = new EngineRig();
    private final DmaPort port = rig.plug();
    private final GuestRam ram = rig.ram(MEMORY_BYTES, true);
    private final MemorySegment source = Arena.global().allocate(BLOCK, PAGE).fill((byte) 0x5a);
    private final long[] pageIovas = new long[TARGETS];
    private final long[] pageAddresses = new long[TARGETS];
    private final long[] lineIovas = new long[TARGETS];
    private final long[] lineAddresses = new long[TARGETS];
    private final long[] blockIovas = new long[TARGETS];
    private final long[] blockAddresses = new long[TARGETS];

    @Setup
    public void prepare() {
        ram.segment().fill((byte) 1);
        var random = new Random(3);
        int[] shuffled = random.ints(0, (int) (MEMORY_BYTES / 2 / PAGE)).distinct().limit(TARGETS).toArray();
        for (int i = 0; i < TARGETS; i++) {
            pageIovas[i] = IOVA_BASE + i * PAGE;
            pageAddresses[i] = ram.physicalAddress() + shuffled[i] * PAGE;
            map(pageIovas[i], pageAddresses[i], PAGE);
            int block = random.nextInt(BLOCKS);
            blockIovas[i] = IOVA_BASE + (1L << 30) + block * BLOCK;
            blockAddresses[i] = ram.physicalAddress() + MEMORY_BYTES / 2 + block * 2 * BLOCK;
        }
        for (int block = 0; block < BLOCKS; block++) {
            map(IOVA_BASE + (1L << 30) + block * BLOCK, ram.physicalAddress() + MEMORY_BYTES / 2 + block * 2 * BLOCK, BLOCK);
        }
        for (int i = 0; i < TARGETS; i++) {
            int page = random.nextInt(TARGETS);
            long inside = random.nextLong(PAGE / LINE) * LINE;
            lineIovas[i] = pageIovas[page] + inside;
            lineAddresses[i] = pageAddresses[page] + inside;
        }
    }

    private void map(long iova, long physicalAddress, long lengthBytes) {
        rig.ioas().mapAt(iova, ram, physicalAddress - ram.physicalAddress(), lengthBytes, DmaAccess.READ_WRITE);
    }

    @CompilerControl(CompilerControl.Mode.DONT_INLINE)
    private void write(long[] iovas, long lengthBytes) {
        DmaPort port = this.port;   // as a device's loop has it
        MemorySegment source = this.source;
        for (long iova : iovas) {
            if (port.write(iova, source, 0, lengthBytes) != DmaStatus.DONE) {
                throw new AssertionError(port.lastFault().toString());
            }
        }
    }

    @CompilerControl(CompilerControl.Mode.DONT_INLINE)
    private void copy(long[] addresses, long lengthBytes) {
        MemorySegment source = this.source;
        for (long address : addresses) {
            MemorySegment.copy(source, 0, WINDOW, address, lengthBytes);
        }
    }

    private void writeAndCopy(long[] iovas, long[] addresses, long lengthBytes, SideBySide times) {
        long start = System.nanoTime();
        write(iovas, lengthBytes);
        long middle = System.nanoTime();
        copy(addresses, lengthBytes);
        times.measuredNanos += middle - start;
        times.yardstickNanos += System.nanoTime() - middle;
        times.operations += iovas.length;
    }

    @Benchmark
    public void page(SideBySide times) {
        writeAndCopy(pageIovas, pageAddresses, PAGE, times);
    }

    @Benchmark
    public void block(SideBySide times) {
        writeAndCopy(blockIovas, blockAddresses, BLOCK, times);
    }

    @Benchmark
    public void line() {
        write(lineIovas, LINE);
    }

    @Benchmark
    public void bareLine() {
        copy(lineAddresses, LINE);
    }
}
