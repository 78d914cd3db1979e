package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Addresses nobody sane would send: they are refused like any other, and harm nothing. */
abstract class WildAddressContract extends Contract {
    private static final int MOST_ROUNDS = 15_000;
    private static final long WARM_UP_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private Mapped mapped;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
    }

    private long[] wildAddresses() {
        long last = domain.geometry().aperture().last();
        return new long[] {0, 1, -1L, -8L, -page, Long.MAX_VALUE - 7, Long.MIN_VALUE, Long.MIN_VALUE | mapped.iova(), last - 7,
            last + 1, last + page, mapped.iova() ^ last + 1, mapped.iova() | 1L << 62, mapped.iova() | 1L << 52};
    }

    @Test
    void wildAddressesAreRefused() {
        for (int round = 0; round < 2; round++) {
            for (long wild : wildAddresses()) {
                Traffic.readIsRefused(port, wild, 1);
                Traffic.writeIsRefused(port, wild, 1);
                assertThat(port.fetchAndAdd(wild & -8, 1)).isZero();
                assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
                assertThat(port.lastFault().orElseThrow().kind()).isIn(DmaFault.Kind.TRANSLATION, DmaFault.Kind.ADDRESS_SIZE);
            }
            traffic.passesThroughout(port, mapped);
        }
    }

    @Test
    void wildAddressesTranslateToNothing() {
        for (long wild : wildAddresses()) {
            assertThat(domain.translate(wild)).as("translation of 0x%x", wild).isEqualTo(PagingDomain.UNMAPPED);
        }
        assertThat(domain.translate(mapped.iova())).isEqualTo(mapped.physicalAddress(mapped.iova()));
    }

    @Test
    void aRequestPastTheEndOfTheAddressSpaceDoesNotWrapToItsStart() {
        long first = domain.geometry().aperture().start();
        List<Mapped> ends = new ArrayList<>();
        for (long iova : new long[] {first, domain.geometry().aperture().last() - page + 1}) {
            if (machine.isUsable(device, iova, page)) {
                ends.add(machine.mapFresh(domain, iova, page, READ_WRITE));
            }
        }
        assumeTrue(ends.size() == 2, "an end of the aperture is reserved");
        long start = ends.getFirst().physicalAddress(first);
        Traffic.Watch watch = new Traffic.Watch().around(start);
        long end = ends.getLast().lastIova();
        for (int i = 0; i < 8; i++) {
            watch.expect(ends.getLast().physicalAddress(end - 7 + i), (byte) 0x77);
        }
        Traffic.writeIsRefused(port, end - 7, 16);
        watch.verify();
        Traffic.readIsRefused(port, end - 7, 16);
        Traffic.writeIsRefused(port, -8L, 7);
        watch.verify();
        traffic.passesThroughout(port, ends.getFirst());
    }

    @Test
    void aScatterListWithAWildPieceIsRefused() {
        for (long wild : wildAddresses()) {
            ScatterList list = new ScatterList(2).add(mapped.iova(), 4).add(wild, 1);
            byte[] target = {1, 2, 3, 4, 5, 6};
            assertThat(port.read(list, MemorySegment.ofArray(target), 0)).isEqualTo(DmaStatus.FAULTED);
            assertThat(target).containsExactly(0, 0, 0, 0, 0, 6);
            assertThat(port.write(list, MemorySegment.ofArray(target), 0)).isEqualTo(DmaStatus.FAULTED);
        }
    }

    @Test
    void unmappingTheWholeAddressSpaceTakesEverythingAndNeverFails() {
        Mapped second = machine.mapFresh(domain, machine.iova(device, domain, 3 * page, page), 3 * page, READ_WRITE);
        traffic.passesThroughout(port, mapped);
        long last = domain.geometry().aperture().last();
        if (last != -1L) {
            assertThat(domain.unmap(last + 1, -1L)).as("beyond the aperture").isZero();
            assertThat(domain.unmap(Long.MIN_VALUE, -1L)).as("sign bit").isZero();
        }
        traffic.passesThroughout(port, mapped);
        assertThat(domain.unmap(0, -1L)).isEqualTo(4 * page);
        Traffic.isRefused(port, mapped.iova());
        Traffic.isRefused(port, second.iova());
        assertThat(domain.unmap(0, -1L)).as("nothing left").isZero();
    }

    @Test
    void dirtyPagesOfTheWholeAddressSpaceAreRead() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        PagingDomain tracked = device.attachNewDomain(new PagingOptions(false, true, false));
        Mapped written = machine.mapFresh(tracked, mapped.iova(), page, READ_WRITE);
        DirtyTracking tracking = tracked.dirtyTracking().orElseThrow();
        tracking.setEnabled(true);
        traffic.writeArrives(port, written, written.iova(), 8);
        List<Long> found = new ArrayList<>();
        tracking.read(0, -1L, false, (iova, length) -> found.add(iova));
        assertThat(found).containsExactly(written.iova());
        tracking.read(written.lastIova() + 1, -1L, true, (iova, length) -> found.add(iova));
        tracking.read(0, written.iova() - 1, true, (iova, length) -> found.add(iova));
        assertThat(found).as("also from beside the page").containsExactly(written.iova());
    }

    @Test
    void dmaToWhereNoMemoryIsEndsWithoutAnswer() {
        long iova = machine.iova(device, domain, page, page);
        Mapped hole = Mapped.of(iova, machine.memory.hole(), page);
        domain.map(iova, hole.runs(), READ_WRITE);
        byte[] bytes = new byte[16];
        for (int round = 0; round < 3; round++) {
            assertThat(port.write(iova, MemorySegment.ofArray(bytes), 0, 16)).isEqualTo(DmaStatus.ABORTED);
            assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
            assertThat(port.read(iova, MemorySegment.ofArray(bytes), 0, 16)).isEqualTo(DmaStatus.ABORTED);
            port.fetchAndAdd(iova, 1);
            assertThat(port.status()).isEqualTo(DmaStatus.ABORTED);
            traffic.passesThroughout(port, mapped);
        }
        domain.unmap(iova, hole.lastIova());
        Traffic.isRefused(port, iova);
    }

    /** The virtual machine may deliver a bus error of compiled code late; it must not escape from the request. */
    @Test
    void dmaToWhereNoMemoryIsEndsWithoutAnswerInCompiledCodeToo() {
        long iova = machine.iova(device, domain, page, page);
        Mapped hole = Mapped.of(iova, machine.memory.hole(), page);
        domain.map(iova, hole.runs(), READ_WRITE);
        MemorySegment bytes = MemorySegment.ofArray(new byte[16]);
        long end = System.nanoTime() + WARM_UP_NANOS;
        for (int round = 0; round < MOST_ROUNDS && System.nanoTime() < end; round++) {
            assertThat(port.write(iova, bytes, 0, 16)).isEqualTo(DmaStatus.ABORTED);
            assertThat(port.read(iova, bytes, 0, 16)).isEqualTo(DmaStatus.ABORTED);
            port.fetchAndAdd(iova, 1);
            assertThat(port.status()).isEqualTo(DmaStatus.ABORTED);
        }
        traffic.passesThroughout(port, mapped);
    }
}
