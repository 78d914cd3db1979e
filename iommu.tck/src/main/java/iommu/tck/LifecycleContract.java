package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Ports, endpoints and tables end cleanly, also under DMA, and leave nothing behind. */
abstract class LifecycleContract extends Contract {
    private static final long SENTINEL = 0x5ea1ed_5ea1ed_5eL;
    private static final long TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final int ROUNDS = 40;

    private Device device;
    private PagingDomain domain;
    private long page;
    private Mapped mapped;
    private long word;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        page = domain.geometry().smallestPageBytes();
        mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        word = mapped.physicalAddress(mapped.iova());
    }

    @Test
    void aClosedPortAnswersClosedAndMovesNothing() {
        HardwarePort port = device.port();
        traffic.passesThroughout(port, mapped);
        assertThat(port.close(TIMEOUT_NANOS)).isTrue();
        assertClosed(port);
        assertThat(port.close(TIMEOUT_NANOS)).as("closed again").isTrue();
    }

    @Test
    void closingOnePortLeavesTheOthersAlone() {
        HardwarePort port = device.port();
        HardwarePort other = device.port();
        port.close(TIMEOUT_NANOS);
        traffic.passesThroughout(other, mapped);
        traffic.passesThroughout(device.port(), mapped);
        assertClosed(port);
    }

    @Test
    void onceClosedUnderDmaNothingIsInFlight() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
        for (int round = 0; round < ROUNDS; round++) {
            HardwarePort port = device.port();
            try (DmaThread thread = DmaThread.repeat(() -> port.write(mapped.iova(), bytes, 0, 8))) {
                thread.awaitRounds(5);
                assertThat(port.close(TIMEOUT_NANOS)).isTrue();
                Traffic.putLong(word, SENTINEL);
                thread.awaitRounds(2);
            }
            assertThat(Traffic.longAt(word)).isEqualTo(SENTINEL);
            assertThat(port.status()).isEqualTo(DmaStatus.CLOSED);
        }
    }

    @Test
    void onceReleasedUnderDmaNothingIsInFlight() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
        for (int round = 0; round < ROUNDS; round++) {
            Device leaving = machine.device(1);
            leaving.attach(domain);
            HardwarePort port = leaving.port();
            try (DmaThread thread = DmaThread.repeat(() -> port.write(mapped.iova(), bytes, 0, 8))) {
                thread.awaitRounds(5);
                leaving.release();
                Traffic.putLong(word, SENTINEL);
                thread.awaitRounds(2);
            }
            assertThat(Traffic.longAt(word)).isEqualTo(SENTINEL);
            assertThat(port.status()).isEqualTo(DmaStatus.CLOSED);
        }
    }

    @Test
    void releaseClosesThePorts() {
        HardwarePort port = device.port();
        HardwarePort unused = device.port();
        traffic.passesThroughout(port, mapped);
        device.release();
        assertClosed(port);
        assertClosed(unused);
    }

    @Test
    void aReleasedEndpointCanBeProbedAgainAndIsBlocked() {
        traffic.passesThroughout(device.port(), mapped);
        device.release();
        Device again = machine.device(0);
        HardwarePort port = again.port();
        Traffic.isRefused(port, mapped.iova());
        again.attach(again.newDomain());
        Traffic.isRefused(port, mapped.iova());
    }

    @Test
    void aTableOutlivesTheEndpointItWasMadeFor() {
        device.release();
        Device other = machine.device(1);
        other.attach(domain);
        HardwarePort port = other.port();
        traffic.passesThroughout(port, mapped);
        domain.unmap(mapped.iova(), mapped.lastIova());
        Traffic.isRefused(port, mapped.iova());
    }

    @Test
    void closingATableFreesItsFramesThoughItIsStillMapped() {
        long before = machine.memory.tables().bytesInUse();
        PagingDomain full = device.newDomain();
        long large = machine.largePageBytes(full);
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(machine.memory.take(4 * large, large) + page, 3 * large);
        full.map(machine.iova(device, full, 4 * large, large), runs, READ_WRITE);
        full.mapSmallest(machine.iova(device, full, 4 * large, large), runs, READ_WRITE);
        machine.mapFresh(full, machine.iova(device, full, large, large), large, READ_WRITE);
        assertThat(machine.memory.tables().bytesInUse()).isGreaterThan(before);
        machine.close(full);
        assertThat(machine.memory.tables().bytesInUse()).isEqualTo(before);
    }

    @Test
    void mappingAndUnmappingForeverTakesNoMoreFrames() {
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, 4 * large, large);
        Mapped whole = Mapped.of(iova, machine.memory.take(2 * large, large), 2 * large);
        Mapped crooked = Mapped.of(iova, machine.memory.take(3 * large, large) + page, 2 * large);
        long afterFirst = 0;
        for (int round = 0; round < 100; round++) {
            for (Mapped each : new Mapped[] {whole, crooked}) {
                domain.map(iova, each.runs(), READ_WRITE);
                domain.unmap(iova, each.lastIova());
                domain.mapSmallest(iova, each.runs(), READ_WRITE);
                domain.unmap(iova, each.lastIova());
            }
            if (round == 1) {
                afterFirst = machine.memory.tables().bytesInUse();
            }
        }
        assertThat(machine.memory.tables().bytesInUse()).isLessThanOrEqualTo(afterFirst);
    }

    @Test
    void comingAndGoingForeverTakesNoMoreFrames() {
        int pasids = machine.capabilities.pasidBits() > 0 ? 1 << machine.capabilities.pasidBits() : 0;
        long afterFirst = 0;
        for (int round = 0; round < 100; round++) {
            Device guest = machine.device(1);
            PagingDomain table = guest.attachNewDomain();
            PagingDomain pasidTable = guest.newDomain(new PagingOptions(false, false, pasids > 0));
            HardwarePort port = guest.port();
            Mapped own = Mapped.of(mapped.iova(), word, page);
            table.map(own.iova(), own.runs(), READ_WRITE);
            port.fetchAndAdd(own.iova(), 1);
            assertThat(port.status()).isEqualTo(DmaStatus.DONE);
            if (pasids > 0) {
                guest.endpoint.attach(round % 2 == 0 ? 1 : pasids - 1, pasidTable);
            }
            if (round % 2 == 0) {
                guest.endpoint.block(Pasid.NONE);
            }
            guest.release();
            machine.close(table);
            machine.close(pasidTable);
            if (round == 5) {
                afterFirst = machine.memory.tables().bytesInUse();
            }
        }
        assertThat(machine.memory.tables().bytesInUse()).isLessThanOrEqualTo(afterFirst);
    }

    @Test
    void dmaOfEveryPortEndsBeforeThePowerGoes() {
        HardwarePort[] ports = {device.port(), device.port()};
        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        try (DmaThread one = DmaThread.repeat(() -> ports[0].write(mapped.iova(), bytes, 0, 64));
                DmaThread two = DmaThread.repeat(() -> ports[1].read(mapped.iova(), bytes, 0, 64))) {
            one.awaitRounds(10);
            two.awaitRounds(10);
            device.release();
            machine.close(domain);
            one.awaitRounds(10);
            two.awaitRounds(10);
        }
        assertThat(ports[0].status()).isEqualTo(DmaStatus.CLOSED);
        assertThat(ports[1].status()).isEqualTo(DmaStatus.CLOSED);
    }

    private void assertClosed(HardwarePort port) {
        Traffic.Watch watch = new Traffic.Watch().around(word);
        byte[] buffer = {1, 2, 3, 4, 5, 6, 7, 8};
        MemorySegment segment = MemorySegment.ofArray(buffer);
        ScatterList list = new ScatterList(1).add(mapped.iova(), 8);
        assertThat(port.write(mapped.iova(), segment, 0, 8)).isEqualTo(DmaStatus.CLOSED);
        assertThat(port.write(list, segment, 0)).isEqualTo(DmaStatus.CLOSED);
        assertThat(port.read(mapped.iova(), segment, 0, 8)).isEqualTo(DmaStatus.CLOSED);
        assertThat(port.read(list, segment, 0)).isEqualTo(DmaStatus.CLOSED);
        assertThat(buffer).as("target of a read through a closed port").containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
        port.fetchAndAdd(mapped.iova(), 1);
        assertThat(port.status()).isEqualTo(DmaStatus.CLOSED);
        port.swap(mapped.iova(), 1);
        assertThat(port.status()).isEqualTo(DmaStatus.CLOSED);
        port.compareAndSwap(mapped.iova(), Traffic.longAt(word), 1);
        assertThat(port.status()).isEqualTo(DmaStatus.CLOSED);
        watch.verify();
    }
}
