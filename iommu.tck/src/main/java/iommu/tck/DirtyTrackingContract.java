package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What DMA wrote is reported: all of it, nothing else, and again after it was cleared. */
abstract class DirtyTrackingContract extends Contract {
    private static final PagingOptions TRACKED = new PagingOptions(false, true, false);
    private static final int PAGES = 16;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private DirtyTracking tracking;
    private long page;
    private Mapped mapped;

    @BeforeEach
    final void trackSmallPages() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        device = machine.device(0);
        domain = device.attachNewDomain(TRACKED);
        port = device.port();
        tracking = domain.dirtyTracking().orElseThrow();
        page = domain.geometry().smallestPageBytes();
        long iova = machine.iova(device, domain, PAGES * page, page);
        mapped = Mapped.of(iova, machine.memory.take(PAGES * page, page), PAGES * page);
        domain.mapSmallest(iova, mapped.runs(), READ_WRITE);
        tracking.setEnabled(true);
    }

    @Test
    void nothingIsDirtyBeforeTheFirstWrite() {
        assertThat(dirty(false)).isEmpty();
        traffic.readArrives(port, mapped, mapped.iova(), (int) (3 * page));
        assertThat(dirty(false)).as("dirty after reads").isEmpty();
    }

    @Test
    void exactlyTheWrittenPagesAreReported() {
        write(3 * page + 5, 1);
        write(7 * page - 1, 2);
        write(9 * page, page);
        write(15 * page + page - 1, 1);
        assertThat(dirty(false)).containsOnlyKeys(at(3), at(6), at(7), at(9), at(15));
        assertThat(dirty(false)).as("a read that does not clear").containsOnlyKeys(at(3), at(6), at(7), at(9), at(15));
        assertThat(dirty(true)).containsOnlyKeys(at(3), at(6), at(7), at(9), at(15));
        assertThat(dirty(false)).as("after clearing").isEmpty();
    }

    @Test
    void aClearedPageIsReportedAgainThoughItWasCached() {
        for (int round = 0; round < 20; round++) {
            write(5 * page, 8);
            write(5 * page + 100, 8);
            assertThat(dirty(true)).as("round %d", round).containsOnlyKeys(at(5));
        }
        assertThat(dirty(true)).isEmpty();
    }

    @Test
    void everyPortsWritesAreReportedAgainAfterAClear() {
        Device other = machine.device(1);
        other.attach(domain);
        HardwarePort[] ports = {port, device.port(), other.port()};
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        for (HardwarePort each : ports) {
            each.write(mapped.iova(), word, 0, 8);
        }
        dirty(true);
        for (HardwarePort each : ports) {
            each.write(mapped.iova(), word, 0, 8);
            assertThat(dirty(true)).containsOnlyKeys(at(0));
        }
    }

    @Test
    void readingAPartReportsAndClearsThatPartOnly() {
        for (int i = 0; i < PAGES; i++) {
            write(i * page, 1);
        }
        assertThat(dirty(at(4), at(8) - 1, true)).containsOnlyKeys(at(4), at(5), at(6), at(7));
        assertThat(dirty(at(2), at(10) - 1, false)).containsOnlyKeys(at(2), at(3), at(8), at(9));
        assertThat(dirty(true)).hasSize(PAGES - 4);
    }

    @Test
    void atomicsAreWrites() {
        port.fetchAndAdd(at(1), 1);
        port.swap(at(3), 1);
        port.compareAndSwap(at(5), 0, 1);
        assertThat(dirty(true)).containsOnlyKeys(at(1), at(3), at(5));
        port.fetchAndAdd(at(1), 1);
        assertThat(dirty(true)).containsOnlyKeys(at(1));
    }

    @Test
    void whatARefusedWriteLeftBehindIsReported() {
        Mapped readOnly = Mapped.of(mapped.lastIova() + 1, machine.memory.take(page, page), page);
        domain.map(readOnly.iova(), readOnly.runs(), READ);
        MemorySegment bytes = MemorySegment.ofArray(new byte[32]);
        assertThat(port.write(mapped.lastIova() - 7, bytes, 0, 32)).isEqualTo(DmaStatus.FAULTED);
        assertThat(dirty(0, -1L, true)).containsOnlyKeys(at(PAGES - 1));
    }

    @Test
    void entriesOfEverySizeAreReported() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            long iova = machine.iova(device, domain, 2 * size, size);
            if (!machine.memory.fits(2 * size, size)) {
                continue;
            }
            Mapped large = Mapped.of(iova, machine.memory.take(2 * size, size), 2 * size);
            domain.map(iova, large.runs(), READ_WRITE);
            for (int round = 0; round < 2; round++) {
                traffic.writeArrives(port, large, iova + size + size / 2, 8);
                Map<Long, Long> found = dirty(iova, large.lastIova(), true);
                assertCovers(found, iova + size + size / 2);
                assertThat(found.keySet()).allSatisfy(start -> assertThat(start).isGreaterThanOrEqualTo(iova + size));
                traffic.writeArrives(port, large, iova + size - 4, 8);
                found = dirty(iova, large.lastIova(), true);
                assertCovers(found, iova + size - 1);
                assertCovers(found, iova + size);
                assertThat(dirty(iova, large.lastIova(), true)).isEmpty();
            }
            domain.unmap(iova, large.lastIova());
        }
    }

    @Test
    void clearingThroughAPartOfAnEntryLetsNoCachedPartOfItWriteUnseen() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            if (size == page || !machine.memory.fits(size, size)) {
                continue;
            }
            long iova = machine.iova(device, domain, size, size);
            Mapped large = Mapped.of(iova, machine.memory.take(size, size), size);
            domain.map(iova, large.runs(), READ_WRITE);
            for (int round = 0; round < 2; round++) {
                traffic.writeArrives(port, large, iova, 8);
                traffic.writeArrives(port, large, iova + size - page, 8);
                assertCovers(dirty(iova, iova + page - 1, true), iova);
                traffic.writeArrives(port, large, iova + size - page, 8);
                assertCovers(dirty(iova, large.lastIova(), true), iova + size - page);
            }
            domain.unmap(iova, large.lastIova());
        }
    }

    @Test
    void mapSmallestReportsSmallPagesWhereALargeEntryWouldFit() {
        long size = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, size, size);
        Mapped small = Mapped.of(iova, machine.memory.take(size, size), size);
        domain.mapSmallest(iova, small.runs(), READ_WRITE);
        traffic.writeArrives(port, small, iova + 3 * page + 1, 8);
        assertThat(dirty(iova, small.lastIova(), true)).containsExactly(Map.entry(iova + 3 * page, page));
    }

    @Test
    void enablingForgetsWhatWasWrittenBefore() {
        write(0, 8);
        tracking.setEnabled(false);
        write(page, 8);
        tracking.setEnabled(true);
        assertThat(dirty(false)).isEmpty();
        write(0, 8);
        write(page, 8);
        assertThat(dirty(false)).as("pages that were cached while tracking was off").containsOnlyKeys(at(0), at(1));
        tracking.setEnabled(true);
        assertThat(dirty(false)).as("enabled once more").isEmpty();
    }

    @Test
    void withoutTrackingWritesJustArrive() {
        tracking.setEnabled(false);
        traffic.passesThroughout(port, mapped);
        PagingDomain plain = device.attachNewDomain();
        assertThat(plain.dirtyTracking()).as("tracking of a table not made for it").isEmpty();
    }

    @Test
    void aNewMappingIsClean() {
        write(0, (int) (PAGES * page));
        domain.unmap(mapped.iova(), mapped.lastIova());
        assertThat(dirty(false)).as("unmapped").isEmpty();
        domain.mapSmallest(mapped.iova(), mapped.runs(), READ_WRITE);
        assertThat(dirty(false)).as("mapped again").isEmpty();
        write(2 * page, 1);
        assertThat(dirty(false)).containsOnlyKeys(at(2));
    }

    @Test
    void tablesTrackApart() {
        PagingDomain other = device.newDomain(TRACKED);
        other.map(mapped.iova(), mapped.runs(), READ_WRITE);
        DirtyTracking otherTracking = other.dirtyTracking().orElseThrow();
        otherTracking.setEnabled(true);
        write(page, 1);
        Map<Long, Long> found = new TreeMap<>();
        otherTracking.read(mapped.iova(), mapped.lastIova(), true, found::put);
        assertThat(found).isEmpty();
        assertThat(dirty(true)).containsOnlyKeys(at(1));
    }

    /** Live migration in small: pages reported dirty are copied while DMA goes on; in the end both memories are equal. */
    @Test
    void copyingWhatIsReportedLosesNoByteOfConcurrentDma() {
        long target = machine.memory.take(PAGES * page, page);
        long source = mapped.physicalAddress(mapped.iova());
        HardwarePort second = device.port();
        try (DmaThread one = scribbler(port, 1); DmaThread two = scribbler(second, 2)) {
            for (int round = 0; round < 300; round++) {
                copyDirty(source, target);
            }
            one.awaitRounds(1000);
            two.awaitRounds(1000);
            for (int round = 0; round < 300; round++) {
                copyDirty(source, target);
            }
        }
        copyDirty(source, target);
        long mismatch = HostMemory.WINDOW.asSlice(source, PAGES * page).mismatch(HostMemory.WINDOW.asSlice(target, PAGES * page));
        assertThat(mismatch).as("offset of the first byte that was written but never reported after").isEqualTo(-1);
    }

    private DmaThread scribbler(HardwarePort scribblingPort, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] bytes = new byte[40];
        MemorySegment buffer = MemorySegment.ofArray(bytes);
        return DmaThread.repeat(() -> {
            random.nextBytes(bytes);
            long place = mapped.iova() + random.nextLong(PAGES * page - bytes.length);
            assertThat(scribblingPort.write(place, buffer, 0, bytes.length)).isEqualTo(DmaStatus.DONE);
        });
    }

    private void copyDirty(long source, long target) {
        dirty(true).forEach((iova, length) -> MemorySegment.copy(HostMemory.WINDOW, source + (iova - mapped.iova()),
                HostMemory.WINDOW, target + (iova - mapped.iova()), length));
    }

    private static void assertCovers(Map<Long, Long> ranges, long iova) {
        assertThat(ranges.entrySet()).as("reported ranges around 0x%x", iova)
                .anyMatch(range -> range.getKey() <= iova && iova < range.getKey() + range.getValue());
    }

    private void write(long offset, long lengthBytes) {
        traffic.writeArrives(port, mapped, mapped.iova() + offset, (int) lengthBytes);
    }

    private long at(int pageIndex) {
        return mapped.iova() + pageIndex * page;
    }

    private Map<Long, Long> dirty(boolean clear) {
        return dirty(mapped.iova(), mapped.lastIova(), clear);
    }

    /** Reported ranges, split into smallest pages where they are small entries; checks their order. */
    private Map<Long, Long> dirty(long first, long last, boolean clear) {
        Map<Long, Long> found = new TreeMap<>();
        long[] end = {0};
        tracking.read(first, last, clear, (iova, length) -> {
            assertThat(iova).as("ranges ascend and do not overlap").isGreaterThanOrEqualTo(end[0]);
            assertThat((iova | length) & page - 1).as("whole pages").isZero();
            assertThat(length).isPositive();
            end[0] = iova + length;
            if (length <= PAGES * page) {
                for (long part = 0; part < length; part += page) {
                    found.put(iova + part, page);
                }
            } else {
                found.put(iova, length);
            }
        });
        return found;
    }
}
