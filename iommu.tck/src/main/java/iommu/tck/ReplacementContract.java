package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Attaching over an attachment, and blocking: old or new, never neither, and never the old after the return. */
abstract class ReplacementContract extends Contract {
    private static final long SENTINEL = 0x5ea1ed_5ea1ed_5eL;
    private static final int ROUNDS = 60;

    private Device device;
    private PagingDomain former;
    private PagingDomain next;
    private long iova;
    private Mapped formerMapped;
    private Mapped nextMapped;
    private int pasid;

    @BeforeEach
    final void mapTwoTables() {
        device = machine.device(0);
        former = device.newDomain(new PagingOptions(false, false, machine.capabilities.pasidBits() > 0));
        next = device.newDomain(new PagingOptions(false, false, machine.capabilities.pasidBits() > 0));
        long page = former.geometry().smallestPageBytes();
        iova = machine.iova(device, former, page, page);
        formerMapped = machine.mapFresh(former, iova, page, READ_WRITE);
        nextMapped = machine.mapFresh(next, iova, page, READ_WRITE);
        pasid = Pasid.NONE;
    }

    @Test
    void afterReplaceDmaGoesThroughTheNewTable() {
        HardwarePort port = device.port();
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.attach(next);
        traffic.passesThroughout(port, nextMapped);
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
    }

    @Test
    void afterReplaceOfAPasidDmaGoesThroughTheNewTable() {
        assumePasid();
        HardwarePort port = device.port(1);
        device.endpoint.attach(1, former);
        traffic.passesThroughout(port, formerMapped);
        device.endpoint.attach(1, next);
        traffic.passesThroughout(port, nextMapped);
        Traffic.isRefused(device.port(), iova);
    }

    @Test
    void whatTheNewTableLacksIsRefusedThoughItWasCached() {
        HardwarePort port = device.port();
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.attach(device.newDomain());
        Traffic.isRefused(port, iova);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
    }

    @Test
    void theFormerTableMayBeClosedAtOnce() {
        HardwarePort port = device.port();
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.attach(next);
        machine.close(former);
        PagingDomain reused = device.newDomain();
        Mapped reusedMapped = machine.mapFresh(reused, iova, formerMapped.lengthBytes(), READ_WRITE);
        traffic.passesThroughout(port, nextMapped);
        device.attach(reused);
        traffic.passesThroughout(port, reusedMapped);
    }

    @Test
    void aNewTableInheritsNothingFromAClosedOne() {
        HardwarePort port = device.port();
        for (int round = 0; round < 10; round++) {
            PagingDomain domain = device.attachNewDomain();
            Traffic.isRefused(port, iova);
            domain.map(iova, formerMapped.runs(), READ_WRITE);
            traffic.passesThroughout(port, formerMapped);
            device.endpoint.block(Pasid.NONE);
            machine.close(domain);
        }
    }

    @Test
    void replaceNeverShowsAMomentWithoutTranslation() {
        replacingNeverRefuses();
    }

    @Test
    void replacingAPasidNeverShowsAMomentWithoutTranslation() {
        assumePasid();
        pasid = 1;
        replacingNeverRefuses();
    }

    private void replacingNeverRefuses() {
        HardwarePort port = device.port(pasid);
        device.endpoint.attach(pasid, former);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        try (DmaThread thread = DmaThread.repeat(() -> {
            assertThat(port.write(iova, word, 0, 8)).isEqualTo(DmaStatus.DONE);
            assertThat(port.read(iova, word, 0, 8)).isEqualTo(DmaStatus.DONE);
        })) {
            for (int round = 0; round < ROUNDS; round++) {
                device.endpoint.attach(pasid, round % 2 == 0 ? next : former);
                thread.awaitRounds(1 + round % 3);
            }
        }
    }

    @Test
    void onceReplaceReturnsNoDmaInFlightReachesTheFormerMemory() {
        HardwarePort port = device.port();
        device.attach(former);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        try (DmaThread thread = DmaThread.repeat(() -> port.write(iova, word, 0, 8))) {
            for (int round = 0; round < ROUNDS; round++) {
                device.attach(round % 2 == 0 ? next : former);
                long abandoned = (round % 2 == 0 ? formerMapped : nextMapped).physicalAddress(iova);
                Traffic.putLong(abandoned, SENTINEL);
                thread.awaitRounds(2);
                assertThat(Traffic.longAt(abandoned)).as("word of the table that was replaced").isEqualTo(SENTINEL);
            }
        }
    }

    @Test
    void onceBlockReturnsNoDmaIsInFlight() {
        HardwarePort port = device.port();
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        device.attach(former);
        try (DmaThread thread = DmaThread.repeat(() -> port.write(iova, word, 0, 8))) {
            for (int round = 0; round < ROUNDS; round++) {
                thread.awaitRounds(2);
                device.endpoint.block(Pasid.NONE);
                Traffic.putLong(formerMapped.physicalAddress(iova), SENTINEL);
                thread.awaitRounds(2);
                assertThat(Traffic.longAt(formerMapped.physicalAddress(iova))).as("word behind the block").isEqualTo(SENTINEL);
                device.attach(former);
            }
        }
    }

    @Test
    void blockedDmaIsRefusedThoughItWasCached() {
        HardwarePort port = device.port();
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.endpoint.block(Pasid.NONE);
        Traffic.isRefused(port, iova);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        device.endpoint.block(Pasid.NONE);
        device.attach(next);
        traffic.passesThroughout(port, nextMapped);
    }

    @Test
    void changesOfATableNobodyIsAttachedToAnyMoreHarmNobody() {
        HardwarePort port = device.port();
        device.attach(former);
        traffic.passesThroughout(port, formerMapped);
        device.attach(next);
        former.unmap(iova, formerMapped.lastIova());
        traffic.passesThroughout(port, nextMapped);
    }

    private void assumePasid() {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
    }
}
