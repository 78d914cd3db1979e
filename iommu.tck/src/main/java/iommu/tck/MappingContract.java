package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.IovaRange;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is mapped is where it was mapped to, for {@code translate} and for DMA; what is not, is nowhere. */
abstract class MappingContract extends Contract {
    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
    }

    @Test
    void geometryHasThePageSizesTheBackendDeclares() {
        assertThat(domain.geometry().pageSizes()).isEqualTo(machine.capabilities.pageSizes());
        assertThat(domain.geometry()).as("constant").isEqualTo(domain.geometry());
        IovaRange aperture = domain.geometry().aperture();
        assertThat((aperture.start() | aperture.last() + 1) & page - 1).as("aperture consists of whole pages").isZero();
    }

    @Test
    void anEmptyTableTranslatesNothing() {
        assertThat(domain.translate(machine.iova(device, domain, page, page))).isEqualTo(PagingDomain.UNMAPPED);
        Traffic.isRefused(port, machine.iova(device, domain, page, page));
    }

    @Test
    void everyPageSizeIsMappedTranslatedReachedByDmaAndUnmapped() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            long iova = machine.iova(device, domain, size, size);
            Mapped mapped = machine.mapFresh(domain, iova, size, READ_WRITE);
            assertTranslates(mapped);
            traffic.passesThroughout(port, mapped);
            assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(size);
            assertNothingLeft(mapped);
        }
    }

    @Test
    void severalPagesOfEverySizeInOneRunAreContinuous() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            if (!machine.memory.fits(2 * size, size)) {
                continue;
            }
            long iova = machine.iova(device, domain, 2 * size, size);
            Mapped mapped = Mapped.of(iova, machine.memory.take(2 * size, size), 2 * size);
            domain.map(iova, mapped.runs(), READ_WRITE);
            assertTranslates(mapped);
            traffic.passes(port, mapped, iova + size - 33, 99);
            assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(2 * size);
            assertNothingLeft(mapped);
        }
    }

    @Test
    void bothEndsOfTheApertureCanBeMapped() {
        IovaRange aperture = domain.geometry().aperture();
        for (long iova : new long[] {aperture.start(), aperture.last() - page + 1}) {
            if (machine.isUsable(device, iova, page)) {
                Mapped mapped = machine.mapFresh(domain, iova, page, READ_WRITE);
                assertTranslates(mapped);
                traffic.passes(port, mapped, iova, 64);
                traffic.passes(port, mapped, mapped.lastIova() - 63, 64);
                assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(page);
                assertNothingLeft(mapped);
            }
        }
    }

    @Test
    void smallPagesCrossEveryTableBoundary() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            long iova = machine.iova(device, domain, 2 * size, size) + size - 3 * page;
            // Memory that is aligned differently than its IOVA leaves no choice but small entries.
            Mapped mapped = Mapped.of(iova, machine.memory.take(6 * page, 2 * page) + page, 5 * page);
            domain.map(iova, mapped.runs(), READ_WRITE);
            assertTranslates(mapped);
            traffic.passes(port, mapped, iova + 3 * page - 100, 200);
            traffic.passesThroughout(port, mapped);
            domain.unmap(iova, mapped.lastIova());
            assertNothingLeft(mapped);
        }
    }

    @Test
    void scatteredRunsKeepTheirOrder() {
        PinnedRuns runs = new PinnedRuns(16);
        long first = machine.memory.take(64 * page, page);
        int[] order = {9, 3, 4, 40, 1, 63, 20, 21, 22, 0};
        for (int frame : order) {
            runs.add(first + frame * page, page);
        }
        Mapped mapped = machine.map(domain, machine.iova(device, domain, runs.totalBytes(), page), runs, READ_WRITE);
        assertTranslates(mapped);
        for (int i = 1; i < order.length; i++) {
            traffic.passes(port, mapped, mapped.iova() + i * page - 20, 40);
        }
        traffic.passes(port, mapped, mapped.iova() + 5, (int) (3 * page));
        assertThat(domain.unmap(mapped.iova(), mapped.lastIova())).isEqualTo(order.length * page);
        assertNothingLeft(mapped);
    }

    @Test
    void runsOfMixedSizesFollowOneAnother() {
        long large = machine.largePageBytes(domain);
        PinnedRuns runs = new PinnedRuns(8);
        runs.add(machine.memory.take(3 * page, page), 3 * page);
        runs.add(machine.memory.take(2 * large, large) + 3 * page, large - 3 * page);
        runs.add(machine.memory.take(2 * large, large), 2 * large);
        runs.add(machine.memory.take(page, page), page);
        runs.add(machine.memory.take(large, large), large);
        long iova = machine.iova(device, domain, runs.totalBytes(), large);
        Mapped mapped = machine.map(domain, iova, runs, READ_WRITE);
        assertTranslates(mapped);
        for (long border : new long[] {3 * page, large, 2 * large, 3 * large, 3 * large + page}) {
            traffic.passes(port, mapped, iova + border - 50, 100);
        }
        assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(runs.totalBytes());
        assertNothingLeft(mapped);
    }

    @Test
    void mapSmallestTranslatesAsMapDoes() {
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, 2 * large, large);
        Mapped mapped = Mapped.of(iova, machine.memory.take(2 * large, large), 2 * large);
        domain.mapSmallest(iova, mapped.runs(), READ_WRITE);
        assertTranslates(mapped);
        traffic.passes(port, mapped, iova + large - 50, 100);
        traffic.passesThroughout(port, mapped);
        assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(2 * large);
        assertNothingLeft(mapped);
    }

    @Test
    void whatTouchesAMappingStaysUnmapped() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            long iova = machine.iova(device, domain, 3 * size, size) + size;
            Mapped mapped = machine.mapFresh(domain, iova, size, READ_WRITE);
            for (long beside : new long[] {iova - 1, iova - page, mapped.lastIova() + 1, mapped.lastIova() + page}) {
                assertThat(domain.translate(beside)).as("translation of 0x%x", beside).isEqualTo(PagingDomain.UNMAPPED);
                Traffic.readIsRefused(port, beside, 1);
                Traffic.writeIsRefused(port, beside, 1);
            }
            domain.unmap(iova, mapped.lastIova());
        }
    }

    @Test
    void mappingsThatTouchComeAndGoIndependently() {
        long iova = machine.iova(device, domain, 3 * page, 4 * page);
        List<Mapped> mappings = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            mappings.add(machine.mapFresh(domain, iova + i * page, page, READ_WRITE));
        }
        assertThat(domain.unmap(iova + page, iova + 2 * page - 1)).isEqualTo(page);
        assertNothingLeft(mappings.get(1));
        traffic.passesThroughout(port, mappings.get(0));
        traffic.passesThroughout(port, mappings.get(2));
        mappings.set(1, machine.mapFresh(domain, iova + page, page, READ_WRITE));
        mappings.forEach(this::assertTranslates);
    }

    @Test
    void oneRangeUnmapsManyMappingsAndSkipsHoles() {
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, 4 * large, large);
        List<Mapped> mappings = List.of(machine.mapFresh(domain, iova + page, page, READ_WRITE),
                machine.mapFresh(domain, iova + 3 * page, 2 * page, READ_WRITE),
                machine.mapFresh(domain, iova + large, large, READ_WRITE),
                machine.mapFresh(domain, iova + 3 * large, page, READ_WRITE));
        mappings.forEach(mapped -> traffic.passesThroughout(port, mapped));
        assertThat(domain.unmap(iova, iova + 4 * large - 1)).isEqualTo(4 * page + large);
        mappings.forEach(this::assertNothingLeft);
        assertThat(domain.unmap(iova, iova + 4 * large - 1)).as("second unmap").isZero();
    }

    @Test
    void unmapTakesNothingBesideItsRange() {
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, 3 * large, large);
        Mapped before = machine.mapFresh(domain, iova + large - page, page, READ_WRITE);
        machine.mapFresh(domain, iova + large, large, READ_WRITE);
        Mapped after = machine.mapFresh(domain, iova + 2 * large, page, READ_WRITE);
        assertThat(domain.unmap(iova + large, iova + 2 * large - 1)).isEqualTo(large);
        assertTranslates(before);
        assertTranslates(after);
        traffic.passesThroughout(port, before);
        traffic.passesThroughout(port, after);
    }

    @Test
    void memoryCanBeMappedAtSeveralPlaces() {
        long memory = machine.memory.take(2 * page, 2 * page);
        Mapped one = Mapped.of(machine.iova(device, domain, 2 * page, page), memory, 2 * page);
        Mapped other = Mapped.of(machine.iova(device, domain, page, page), memory + page, page);
        domain.map(one.iova(), one.runs(), READ_WRITE);
        domain.map(other.iova(), other.runs(), READ_WRITE);
        traffic.passes(port, one, one.iova() + page, 100);
        traffic.passes(port, other, other.iova(), 100);
        domain.unmap(one.iova(), one.lastIova());
        assertNothingLeft(one);
        traffic.passes(port, other, other.iova(), 100);
    }

    @Test
    void aRangeIsMappedAgainInOtherSizesManyTimes() {
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, large, large);
        Mapped whole = Mapped.of(iova, machine.memory.take(large, large), large);
        Mapped crooked = Mapped.of(iova, machine.memory.take(large + page, large) + page, large);
        for (int round = 0; round < 5; round++) {
            domain.map(iova, whole.runs(), READ_WRITE);
            traffic.passesThroughout(port, whole);
            assertThat(domain.unmap(iova, whole.lastIova())).isEqualTo(large);
            domain.map(iova, crooked.runs(), READ_WRITE);
            traffic.passesThroughout(port, crooked);
            assertThat(domain.unmap(iova, whole.lastIova())).isEqualTo(large);
            domain.mapSmallest(iova, whole.runs(), READ_WRITE);
            traffic.passesThroughout(port, whole);
            assertThat(domain.unmap(iova, whole.lastIova())).isEqualTo(large);
        }
        assertNothingLeft(whole);
    }

    @Test
    void aTableFilledBeforeAnythingIsAttachedServesLater() {
        PagingDomain filled = device.newDomain();
        Mapped mapped = machine.mapFresh(filled, machine.iova(device, filled, page, page), page, READ_WRITE);
        Traffic.isRefused(port, mapped.iova());
        device.attach(filled);
        traffic.passesThroughout(port, mapped);
    }

    private void assertTranslates(Mapped mapped) {
        for (int run = 0, offset = 0; run < Math.min(mapped.runs().count(), 64); run++) {
            assertTranslates(mapped, mapped.iova() + offset);
            offset += (int) Math.min(mapped.runs().lengthBytes(run), 1 << 24);
        }
        assertTranslates(mapped, mapped.iova());
        assertTranslates(mapped, mapped.iova() + mapped.lengthBytes() / 2 + 123);
        assertTranslates(mapped, mapped.lastIova());
    }

    private void assertTranslates(Mapped mapped, long iova) {
        assertThat(domain.translate(iova)).as("translation of 0x%x", iova).isEqualTo(mapped.physicalAddress(iova));
    }

    private void assertNothingLeft(Mapped mapped) {
        for (long iova : new long[] {mapped.iova(), mapped.iova() + mapped.lengthBytes() / 2, mapped.lastIova()}) {
            assertThat(domain.translate(iova)).as("translation of unmapped 0x%x", iova).isEqualTo(PagingDomain.UNMAPPED);
            Traffic.readIsRefused(port, iova, 1);
            Traffic.writeIsRefused(port, iova, 1);
        }
    }
}
