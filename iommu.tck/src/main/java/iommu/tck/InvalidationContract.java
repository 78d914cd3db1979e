package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** After {@code unmap} has returned no port reaches the page, whatever it has cached and whatever is in flight. */
abstract class InvalidationContract extends Contract {
    private static final long SENTINEL = 0x5ea1ed_5ea1ed_5eL;
    private static final long CONCURRENT_NANOS = TimeUnit.MILLISECONDS.toNanos(700);
    /** Every so many rounds the changes wait for the DMA threads, so that these take part however busy the machine is. */
    private static final int MEETING = 32;
    /** More than a ring of pending invalidations would hold. */
    private static final int MANY = 1500;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private long large;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        large = machine.largePageBytes(domain);
    }

    @Test
    void unmapForgetsCachedEntriesOfEverySize() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, size, size), size, READ_WRITE);
            long[] places = {mapped.iova(), mapped.iova() + size / 2, mapped.lastIova() - 15};
            for (long place : places) {
                traffic.passes(port, mapped, place, 16);
            }
            domain.unmap(mapped.iova(), mapped.lastIova());
            for (long place : places) {
                Traffic.isRefused(port, place);
            }
        }
    }

    @Test
    void unmapForgetsCachedReadsAndCachedAtomics() {
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, 2 * page, page), 2 * page, READ);
        traffic.readArrives(port, mapped, mapped.iova(), 8);
        domain.unmap(mapped.iova(), mapped.lastIova());
        Traffic.readIsRefused(port, mapped.iova(), 8);
        domain.map(mapped.iova(), mapped.runs(), READ_WRITE);
        port.fetchAndAdd(mapped.iova(), 1);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        domain.unmap(mapped.iova(), mapped.lastIova());
        Traffic.putLong(mapped.physicalAddress(mapped.iova()), SENTINEL);
        assertThat(port.fetchAndAdd(mapped.iova(), 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(Traffic.longAt(mapped.physicalAddress(mapped.iova()))).isEqualTo(SENTINEL);
    }

    @Test
    void unmapReachesEveryPortOfEveryEndpoint() {
        Device other = machine.device(1);
        other.attach(domain);
        HardwarePort[] ports = {port, device.port(), other.port(), other.port()};
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        for (HardwarePort each : ports) {
            traffic.passesThroughout(each, mapped);
        }
        domain.unmap(mapped.iova(), mapped.lastIova());
        for (HardwarePort each : ports) {
            Traffic.isRefused(each, mapped.iova());
        }
    }

    @Test
    void aRefusedPageIsReachedOnceItIsMapped() {
        long iova = machine.iova(device, domain, large, large);
        for (int round = 0; round < 3; round++) {
            Traffic.isRefused(port, iova);
            Mapped mapped = machine.mapFresh(domain, iova, round == 1 ? large : page, READ_WRITE);
            traffic.passesThroughout(port, mapped);
            domain.unmap(iova, mapped.lastIova());
        }
    }

    @Test
    void aRemappedPageLeadsToTheNewMemory() {
        long iova = machine.iova(device, domain, page, page);
        Mapped former = machine.mapFresh(domain, iova, page, READ_WRITE);
        for (int round = 0; round < 50; round++) {
            traffic.passesThroughout(port, former);
            domain.unmap(iova, former.lastIova());
            former = machine.mapFresh(domain, iova, page, READ_WRITE);
        }
        traffic.passesThroughout(port, former);
    }

    @Test
    void aLargePageGivesWayToSmallOnesAndBack() {
        long iova = machine.iova(device, domain, large, large);
        Mapped whole = Mapped.of(iova, machine.memory.take(large, large), large);
        PinnedRuns runs = new PinnedRuns(16);
        int pages = (int) Math.min(64, large / page);
        long scattered = machine.memory.take(2 * pages * page, page);
        for (int i = 0; i < pages; i++) {
            runs.add(scattered + 2L * (pages - 1 - i) * page, page);
        }
        Mapped small = new Mapped(iova, runs);
        for (int round = 0; round < 3; round++) {
            domain.map(iova, whole.runs(), READ_WRITE);
            traffic.passes(port, whole, iova + page, 16);
            traffic.passesThroughout(port, whole);
            domain.unmap(iova, whole.lastIova());
            domain.map(iova, runs, READ_WRITE);
            traffic.passes(port, small, iova + page, 16);
            traffic.passesThroughout(port, small);
            domain.unmap(iova, small.lastIova());
            Traffic.isRefused(port, iova + page);
        }
    }

    @Test
    void unmapOfManyCachedPagesForgetsEachOfThem() {
        Mapped mapped = mapAliases(MANY);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        for (int i = 0; i < MANY; i++) {
            assertThat(port.write(mapped.iova() + i * page, word, 0, 8)).isEqualTo(DmaStatus.DONE);
        }
        domain.unmap(mapped.iova(), mapped.lastIova());
        for (int i = 0; i < MANY; i++) {
            assertThat(port.write(mapped.iova() + i * page, word, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        }
    }

    @Test
    void aPortThatSleptThroughManyUnmapsMissesNone() {
        long iova = machine.iova(device, domain, MANY * page, page);
        Mapped first = machine.mapFresh(domain, iova, page, READ_WRITE);
        Mapped last = machine.mapFresh(domain, iova + (MANY - 1) * page, page, READ_WRITE);
        Mapped kept = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        traffic.passesThroughout(port, first);
        traffic.passesThroughout(port, last);
        traffic.passesThroughout(port, kept);
        domain.unmap(first.iova(), first.lastIova());
        for (int i = 1; i < MANY - 1; i++) {
            domain.map(iova + i * page, first.runs(), READ_WRITE);
            assertThat(domain.unmap(iova + i * page, iova + (i + 1) * page - 1)).isEqualTo(page);
        }
        domain.unmap(last.iova(), last.lastIova());
        Traffic.isRefused(port, first.iova());
        Traffic.isRefused(port, last.iova());
        traffic.passesThroughout(port, kept);
    }

    @Test
    void unmapLeavesOtherCachedPagesRight() {
        long iova = machine.iova(device, domain, 8 * page, page);
        Mapped[] mappings = new Mapped[8];
        for (int i = 0; i < mappings.length; i++) {
            mappings[i] = machine.mapFresh(domain, iova + i * page, page, READ_WRITE);
            traffic.passesThroughout(port, mappings[i]);
        }
        for (int gone = 0; gone < mappings.length; gone++) {
            domain.unmap(mappings[gone].iova(), mappings[gone].lastIova());
            Traffic.isRefused(port, mappings[gone].iova());
            for (int i = gone + 1; i < mappings.length; i++) {
                traffic.passes(port, mappings[i], mappings[i].iova(), 16);
            }
        }
    }

    @Test
    void dmaInFlightNeverReachesAnUnmappedPage() {
        Device other = machine.device(1);
        other.attach(domain);
        long iova = machine.iova(device, domain, page, page);
        PinnedRuns[] frames = new PinnedRuns[8];
        for (int i = 0; i < frames.length; i++) {
            frames[i] = new PinnedRuns(1);
            frames[i].add(machine.memory.take(page, page), page);
        }
        try (DmaThread one = writer(port, iova); DmaThread two = writer(other.port(), iova)) {
            one.awaitRounds(100);
            two.awaitRounds(100);
            long end = System.nanoTime() + CONCURRENT_NANOS;
            for (int round = 0; System.nanoTime() < end; round++) {
                PinnedRuns frame = frames[round % frames.length];
                // Whoever still wrote to this frame after its unmap, some rounds ago, has left a trace.
                if (round >= frames.length) {
                    assertThat(Traffic.longAt(frame.physicalAddress(0))).as("frame unmapped in round %d", round - 8).isEqualTo(SENTINEL);
                }
                domain.map(iova, frame, READ_WRITE);
                boolean meets = round % MEETING == 0;
                if (meets) {
                    one.awaitRounds(1);
                    two.awaitRounds(1);
                }
                for (int spin = 0; spin < 50 * (round % 8); spin++) {
                    Thread.onSpinWait();
                }
                domain.unmap(iova, iova + page - 1);
                Traffic.putLong(frame.physicalAddress(0), SENTINEL);
                if (meets) {
                    one.awaitRounds(1);
                    two.awaitRounds(1);
                }
            }
        }
    }

    @Test
    void tablesComeAndGoUnderDmaThatWandersThroughThem() {
        long iova = machine.iova(device, domain, 4 * large, large);
        Mapped whole = Mapped.of(iova, machine.memory.take(2 * large, large), 2 * large);
        PinnedRuns crooked = new PinnedRuns(1);
        long crookedAddress = machine.memory.take(2 * large, large) + page;
        crooked.add(crookedAddress, large + large / 2);
        long bystander = machine.memory.take(page, page);
        Traffic.putLong(bystander, SENTINEL);
        Device other = machine.device(1);
        other.attach(domain);
        try (DmaThread one = wanderer(port, iova, 1); DmaThread two = wanderer(other.port(), iova, 2)) {
            one.awaitRounds(100);
            two.awaitRounds(100);
            long end = System.nanoTime() + CONCURRENT_NANOS;
            for (int round = 0; System.nanoTime() < end; round++) {
                PinnedRuns runs = round % 2 == 0 ? whole.runs() : crooked;
                domain.map(iova, runs, READ_WRITE);
                if (round % MEETING == 0) {
                    one.awaitRounds(2);
                    two.awaitRounds(2);
                }
                Thread.yield();
                assertThat(domain.unmap(iova, iova + 2 * large - 1)).isEqualTo(runs.totalBytes());
            }
        }
        assertThat(Traffic.longAt(bystander)).isEqualTo(SENTINEL);
        for (long place = 0; place < 2 * large; place += large / 4) {
            Traffic.isRefused(port, iova + place);
        }
    }

    private static DmaThread writer(HardwarePort port, long iova) {
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        return DmaThread.repeat(() -> assertThat(port.write(iova, word, 0, 8)).isIn(DmaStatus.DONE, DmaStatus.FAULTED));
    }

    private DmaThread wanderer(HardwarePort port, long iova, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        MemorySegment buffer = MemorySegment.ofArray(new byte[64]);
        return DmaThread.repeat(() -> {
            long place = iova + random.nextLong(2 * large - 64);
            DmaStatus status = random.nextBoolean() ? port.write(place, buffer, 0, 64) : port.read(place, buffer, 0, 64);
            assertThat(status).isIn(DmaStatus.DONE, DmaStatus.FAULTED);
        });
    }

    /** Many pages of IOVA over two of memory. */
    private Mapped mapAliases(int pages) {
        PinnedRuns runs = new PinnedRuns(pages);
        long memory = machine.memory.take(4 * page, page);
        for (int i = 0; i < pages; i++) {
            runs.add(memory + i % 2 * 2 * page, page);
        }
        return machine.map(domain, machine.iova(device, domain, pages * page, page), runs, READ_WRITE);
    }
}
