package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Once warm, DMA and changes of a table allocate no Java object. */
abstract class QuietPathContract extends Contract {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    /** System property: how long the compiler may take to make a path quiet. */
    static final String WARM_UP_MILLIS = "iommu.tck.warmUpMillis";
    private static final long DEFAULT_WARM_UP_MILLIS = 3000;
    private static final int BATCH = 1000;
    private static final int QUIET_BATCHES = 3;
    /** More pages than any cache of translations holds. */
    private static final int MANY = 16_384;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private final MemorySegment buffer = MemorySegment.ofArray(new byte[8192]);

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
    }

    @Test
    void dmaOfCachedPagesAllocatesNothing() {
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, 4 * page, page), 4 * page, READ_WRITE);
        ScatterList list = new ScatterList(2).add(mapped.iova() + 10, 100).add(mapped.iova() + 2 * page - 50, 100);
        assertQuiet("DMA of cached pages", () -> {
            require(port.write(mapped.iova() + 3, buffer, 0, 64));
            require(port.read(mapped.iova() + page - 10, buffer, 0, 5000));
            require(port.write(list, buffer, 0));
            require(port.read(list, buffer, 0));
            port.fetchAndAdd(mapped.iova(), 1);
            port.compareAndSwap(mapped.iova(), 0, 1);
            port.swap(mapped.iova(), 1);
            require(port.status());
        });
    }

    @Test
    void dmaOfPagesThatAreNotCachedAllocatesNothing() {
        PinnedRuns runs = new PinnedRuns(MANY);
        long memory = machine.memory.take(4 * page, page);
        for (int i = 0; i < MANY; i++) {
            runs.add(memory + i % 2 * 2 * page, page);
        }
        long iova = machine.iova(device, domain, MANY * page, page);
        domain.map(iova, runs, READ_WRITE);
        int[] next = {0};
        assertQuiet("DMA of pages that are not cached", () -> {
            long place = iova + (next[0] = next[0] + 1 & MANY - 1) * page;
            require(port.write(place, buffer, 0, 8));
            require(port.read(place, buffer, 0, 8));
        });
    }

    @Test
    void mapAndUnmapOfOnePageAllocateNothing() {
        Mapped mapped = Mapped.of(machine.iova(device, domain, page, page), machine.memory.take(page, page), page);
        assertMapUnmapQuiet(mapped);
    }

    @Test
    void mapAndUnmapOfManyPagesAllocateNothing() {
        long bytes = Math.min(machine.largePageBytes(domain), 64 * page);
        Mapped mapped = Mapped.of(machine.iova(device, domain, bytes, page), machine.memory.take(bytes + page, page) + page, bytes);
        assertMapUnmapQuiet(mapped);
    }

    @Test
    void mapAndUnmapOfALargePageAllocateNothing() {
        long large = machine.largePageBytes(domain);
        Mapped mapped = Mapped.of(machine.iova(device, domain, large, large), machine.memory.take(large, large), large);
        assertMapUnmapQuiet(mapped);
    }

    private void assertMapUnmapQuiet(Mapped mapped) {
        assertQuiet("map, DMA and unmap of %d bytes".formatted(mapped.lengthBytes()), () -> {
            domain.map(mapped.iova(), mapped.runs(), READ_WRITE);
            require(port.write(mapped.iova(), buffer, 0, 8));
            if (domain.unmap(mapped.iova(), mapped.lastIova()) != mapped.lengthBytes()) {
                throw new AssertionError("unmap told another number of bytes");
            }
        });
    }

    private static void require(DmaStatus status) {
        if (status != DmaStatus.DONE) {
            throw new AssertionError("DMA ended with " + status);
        }
    }

    /** The first batches warm up; in the end several in a row must allocate nothing. */
    private static void assertQuiet(String what, Runnable operation) {
        long deadline = System.nanoTime()
                + TimeUnit.MILLISECONDS.toNanos(Long.getLong(WARM_UP_MILLIS, DEFAULT_WARM_UP_MILLIS));
        int quiet = 0;
        long allocated = 0;
        while (quiet < QUIET_BATCHES && System.nanoTime() < deadline) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < BATCH; i++) {
                operation.run();
            }
            allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
            quiet = allocated == 0 ? quiet + 1 : 0;
        }
        assertThat(quiet).as("%s: batches of %d rounds without allocation; the last one allocated %d bytes", what, BATCH, allocated)
                .isEqualTo(QUIET_BATCHES);
    }
}
