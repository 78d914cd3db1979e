package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static iommufd.api.DmaAccess.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.OptionalInt;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Refused requests: what they deliver, what they leave alone, and what is recorded. */
abstract class PermissionContract extends Contract {
    private static final byte UNTOUCHED = 0x11;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private long iova;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        iova = machine.iova(device, domain, 4 * page, 4 * page);
    }

    @Test
    void aReadOnlyPageRefusesWrites() {
        Mapped mapped = mapFilled(iova, READ);
        traffic.readArrives(port, mapped, iova, 64);
        Traffic.Watch watch = new Traffic.Watch().around(mapped.physicalAddress(iova));
        Traffic.writeIsRefused(port, iova, 64);
        Traffic.writeIsRefused(port, mapped.lastIova(), 1);
        watch.verify();
    }

    @Test
    void aWriteOnlyPageRefusesReads() {
        assumeTrue(machine.capabilities.writeOnly(), "the backend's entries cannot refuse reads alone");
        Mapped mapped = mapFilled(iova, WRITE);
        traffic.writeArrives(port, mapped, iova, 64);
        Traffic.readIsRefused(port, iova, 64);
        Traffic.readIsRefused(port, mapped.lastIova(), 1);
    }

    @Test
    void permissionsHoldInEntriesOfEverySize() {
        for (long size : machine.testablePageSizes(domain)) {
            machine.memory.rewind();
            long at = machine.iova(device, domain, size, size);
            Mapped mapped = machine.mapFresh(domain, at, size, READ);
            traffic.readArrives(port, mapped, at + size / 2, 64);
            Traffic.writeIsRefused(port, at + size / 2, 64);
            domain.unmap(at, mapped.lastIova());
        }
    }

    @Test
    void aPageRemappedWithOtherRightsHasThoseOnly() {
        Mapped mapped = mapFilled(iova, READ_WRITE);
        traffic.passes(port, mapped, iova, 64);
        domain.unmap(iova, mapped.lastIova());
        domain.map(iova, mapped.runs(), READ);
        traffic.readArrives(port, mapped, iova, 64);
        Traffic.writeIsRefused(port, iova, 64);
        domain.unmap(iova, mapped.lastIova());
        domain.map(iova, mapped.runs(), READ_WRITE);
        traffic.passes(port, mapped, iova, 64);
    }

    @Test
    void atomicsNeedBothRights() {
        Mapped readOnly = mapFilled(iova, READ);
        assertAtomicsRefused(readOnly);
        if (machine.capabilities.writeOnly()) {
            assertAtomicsRefused(mapFilled(iova + page, WRITE));
        }
    }

    @Test
    void aWriteStopsAtTheRefusedPage() {
        Mapped first = mapFilled(iova, READ_WRITE);
        Mapped refused = mapFilled(iova + page, READ);
        Mapped third = mapFilled(iova + 2 * page, READ_WRITE);
        Traffic.Watch watch = new Traffic.Watch().around(refused.physicalAddress(iova + page))
                .around(third.physicalAddress(iova + 2 * page));
        byte[] payload = traffic.randomBytes((int) (10 + page + 10));
        for (int i = 0; i < 10; i++) {
            watch.expect(first.physicalAddress(iova + page - 10 + i), payload[i]);
        }
        assertThat(port.write(iova + page - 10, MemorySegment.ofArray(payload), 0, payload.length)).isEqualTo(DmaStatus.FAULTED);
        watch.verify();
        assertFault(fault(), DmaFault.Kind.PERMISSION, iova + page, WRITE);
    }

    @Test
    void aWriteStopsAtTheHole() {
        Mapped first = mapFilled(iova, READ_WRITE);
        Mapped third = mapFilled(iova + 2 * page, READ_WRITE);
        Traffic.Watch watch = new Traffic.Watch().around(third.physicalAddress(iova + 2 * page));
        byte[] payload = traffic.randomBytes((int) (10 + page + 10));
        for (int i = 0; i < 10; i++) {
            watch.expect(first.physicalAddress(iova + page - 10 + i), payload[i]);
        }
        assertThat(port.write(iova + page - 10, MemorySegment.ofArray(payload), 0, payload.length)).isEqualTo(DmaStatus.FAULTED);
        watch.verify();
        assertFault(fault(), DmaFault.Kind.TRANSLATION, iova + page, WRITE);
    }

    @Test
    void aReadAcrossAHoleDeliversZerosOnly() {
        mapFilled(iova, READ_WRITE);
        mapFilled(iova + 2 * page, READ_WRITE);
        Traffic.readIsRefused(port, iova + page - 10, (int) page + 20);
        assertFault(fault(), DmaFault.Kind.TRANSLATION, iova + page, READ);
    }

    @Test
    void aScatterReadWithARefusedPieceDeliversZerosOnly() {
        mapFilled(iova, READ_WRITE);
        ScatterList list = new ScatterList(3).add(iova, 10).add(iova + page, 10).add(iova + 20, 10);
        byte[] target = new byte[32];
        Arrays.fill(target, (byte) 0x33);
        assertThat(port.read(list, MemorySegment.ofArray(target), 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Arrays.copyOfRange(target, 1, 31)).isEqualTo(new byte[30]);
        assertThat(target[0]).isEqualTo((byte) 0x33);
        assertThat(target[31]).isEqualTo((byte) 0x33);
        assertFault(fault(), DmaFault.Kind.TRANSLATION, iova + page, READ);
    }

    @Test
    void aScatterWriteStopsAtTheRefusedPiece() {
        Mapped mapped = mapFilled(iova, READ_WRITE);
        ScatterList list = new ScatterList(3).add(iova, 10).add(iova + page, 10).add(iova + 20, 10);
        byte[] payload = traffic.randomBytes(30);
        Traffic.Watch watch = new Traffic.Watch();
        for (int i = 0; i < 10; i++) {
            watch.expect(mapped.physicalAddress(iova + i), payload[i]);
        }
        assertThat(port.write(list, MemorySegment.ofArray(payload), 0)).isEqualTo(DmaStatus.FAULTED);
        watch.verify();
        assertFault(fault(), DmaFault.Kind.TRANSLATION, iova + page, WRITE);
    }

    @Test
    void aFaultNamesKindAddressAccessAndRequester() throws InterruptedException {
        assertThat(port.lastFault()).isEmpty();
        Traffic.readIsRefused(port, iova + page + 8, 8);
        assertFault(fault(), DmaFault.Kind.TRANSLATION, iova + page, READ);
        assertFault(device.faults.next(), DmaFault.Kind.TRANSLATION, iova + page, READ);
        mapFilled(iova, READ);
        Traffic.writeIsRefused(port, iova + 16, 8);
        assertFault(fault(), DmaFault.Kind.PERMISSION, iova, WRITE);
        assertFault(device.faults.next(), DmaFault.Kind.PERMISSION, iova, WRITE);
    }

    @Test
    void aBlockedEndpointsFaultSaysSo() throws InterruptedException {
        Device blocked = machine.device(1);
        HardwarePort blockedPort = blocked.port();
        Traffic.writeIsRefused(blockedPort, iova, 8);
        DmaFault fault = blockedPort.lastFault().orElseThrow();
        assertThat(fault.kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(fault.requesterId()).isEqualTo(blocked.description.requesterId());
        assertThat(blocked.faults.next().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(device.faults.isEmpty()).as("the other device hears nothing").isTrue();
    }

    @Test
    void aFaultNamesThePasid() throws InterruptedException {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
        device.endpoint.attach(5, device.newDomain(new PagingOptions(false, false, true)));
        HardwarePort pasidPort = device.port(5);
        Traffic.writeIsRefused(pasidPort, iova, 8);
        assertThat(pasidPort.lastFault().orElseThrow().pasid()).isEqualTo(OptionalInt.of(5));
        assertThat(device.faults.next().pasid()).isEqualTo(OptionalInt.of(5));
        assertThat(port.lastFault()).as("another port's fault").isEmpty();
        Traffic.writeIsRefused(port, iova, 8);
        assertThat(port.lastFault().orElseThrow().pasid()).isEmpty();
    }

    @Test
    void theFaultSinkMayChangeTheTableThatFaulted() {
        Mapped mapped = mapFilled(iova, READ_WRITE);
        device.faults.onFault(fault -> domain.unmap(mapped.iova(), mapped.lastIova()));
        Assertions.assertTimeoutPreemptively(Duration.ofSeconds(8), () -> {
            Traffic.writeIsRefused(port, iova + page, 8);
            device.faults.next();
        });
        Traffic.isRefused(port, iova);
    }

    @Test
    void requestsThatSucceedReportNothing() {
        Mapped mapped = mapFilled(iova, READ_WRITE);
        traffic.passesThroughout(port, mapped);
        assertThat(port.lastFault()).isEmpty();
        assertThat(device.faults.isEmpty()).isTrue();
    }

    private void assertAtomicsRefused(Mapped mapped) {
        Traffic.Watch watch = new Traffic.Watch().around(mapped.physicalAddress(mapped.iova()));
        assertThat(port.fetchAndAdd(mapped.iova(), 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.swap(mapped.iova(), 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.compareAndSwap(mapped.iova(), 0x1111111111111111L, 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(fault().kind()).isEqualTo(DmaFault.Kind.PERMISSION);
        watch.verify();
    }

    private DmaFault fault() {
        return port.lastFault().orElseThrow();
    }

    private void assertFault(DmaFault fault, DmaFault.Kind kind, long refusedIova, DmaAccess access) {
        assertThat(fault.kind()).isEqualTo(kind);
        assertThat(fault.iova() & -page).as("page of the refused IOVA").isEqualTo(refusedIova & -page);
        assertThat(fault.access()).isEqualTo(access);
        assertThat(fault.requesterId()).isEqualTo(device.description.requesterId());
        assertThat(fault.pasid()).as("PASID of port without one (%d)", Pasid.NONE).isEmpty();
        assertThat(fault.hardware()).isEqualTo(machine.hardware().name());
        assertThat(fault.text()).isNotBlank();
    }

    private Mapped mapFilled(long at, DmaAccess access) {
        Mapped mapped = Mapped.of(at, machine.memory.take(page, page), page);
        for (int i = 0; i < page; i++) {
            Traffic.putByte(mapped.physicalAddress(at + i), UNTOUCHED);
        }
        domain.map(at, mapped.runs(), access);
        return mapped;
    }
}
