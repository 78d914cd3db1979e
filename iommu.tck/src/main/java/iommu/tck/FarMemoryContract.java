package iommu.tck;

import static iommufd.api.DmaAccess.READ;
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
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Memory behind the physical window is mapped like any other and reached through {@link FarMemory}, except by atomics. */
abstract class FarMemoryContract extends Contract {
    private final KitFarMemory far = new KitFarMemory();
    private final Random random = new Random(4711);
    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;

    @BeforeEach
    final void attach() {
        assumeTrue(machine.reachesFarMemory(), "the IOMMU reaches the physical window only");
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
    }

    private Mapped mapFar(long physicalAddress, long lengthBytes) {
        Mapped mapped = Mapped.of(machine.iova(device, domain, lengthBytes, page), physicalAddress, lengthBytes);
        far.put(physicalAddress, lengthBytes);
        domain.map(mapped.iova(), mapped.runs(), READ_WRITE);
        return mapped;
    }

    private byte[] bytesAt(Mapped mapped, long iova, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        for (int i = 0; i < lengthBytes; i++) {
            long address = mapped.physicalAddress(iova + i);
            bytes[i] = FarMemory.isFar(address) ? far.bytes(address, 1)[0] : Traffic.byteAt(address);
        }
        return bytes;
    }

    /** Bytes go there by DMA and come back by DMA, and are the bytes of the right memory. */
    private void passes(Mapped mapped, long iova, int lengthBytes) {
        byte[] payload = new byte[lengthBytes + 3];
        random.nextBytes(payload);
        assertThat(port.write(iova, MemorySegment.ofArray(payload), 3, lengthBytes)).isEqualTo(DmaStatus.DONE);
        byte[] expected = Arrays.copyOfRange(payload, 3, payload.length);
        assertThat(bytesAt(mapped, iova, lengthBytes)).as("memory behind 0x%x", iova).isEqualTo(expected);
        byte[] target = new byte[lengthBytes + 5];
        assertThat(port.read(iova, MemorySegment.ofArray(target), 5, lengthBytes)).isEqualTo(DmaStatus.DONE);
        assertThat(Arrays.copyOfRange(target, 5, target.length)).as("what DMA reads at 0x%x", iova).isEqualTo(expected);
    }

    private void aborts(DmaStatus status) {
        assertThat(status).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.status()).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
    }

    @Test
    void farMemoryIsReachedFromItsFirstByteToItsLast() {
        machine.connect(far);
        for (long address : new long[] {FarMemory.START, FarMemory.START << 1, FarMemory.START * 5 + 3 * page, FarMemory.END - 2 * page}) {
            Mapped mapped = mapFar(address, 2 * page);
            assertThat(domain.translate(mapped.iova() + 5)).isEqualTo(address + 5);
            for (int length : new int[] {1, 8, 100, (int) page}) {
                passes(mapped, mapped.iova(), length);
                passes(mapped, mapped.iova() + page - length / 2 - 1, length);
                passes(mapped, mapped.lastIova() - length + 1, length);
            }
        }
    }

    @Test
    void entriesOfEverySizeLeadToFarMemory() {
        machine.connect(far);
        for (long size : machine.testablePageSizes(domain)) {
            long iova = machine.iova(device, domain, size, size);
            Mapped mapped = Mapped.of(iova, FarMemory.START + 4 * size, size);
            domain.map(iova, mapped.runs(), READ_WRITE);
            for (long offset : new long[] {0, size / 2 & -page, size - page}) {
                far.put(mapped.physicalAddress(iova + offset), page);
                assertThat(domain.translate(iova + offset)).isEqualTo(FarMemory.START + 4 * size + offset);
                passes(mapped, iova + offset, (int) page);
            }
            assertThat(domain.unmap(iova, mapped.lastIova())).isEqualTo(size);
            Traffic.isRefused(port, iova);
        }
    }

    @Test
    void aRequestGoesThroughNearAndFarPages() {
        machine.connect(far);
        Mapped mapped = mapMixed();
        passes(mapped, mapped.iova(), (int) mapped.lengthBytes());
        passes(mapped, mapped.iova() + page - 1, (int) (4 * page + 2));
        for (int border = 1; border < 6; border++) {
            passes(mapped, mapped.iova() + border * page - 4, 9);
        }
    }

    /** Near, far, far and right behind it, near, far elsewhere, near. */
    private Mapped mapMixed() {
        PinnedRuns runs = new PinnedRuns(6);
        runs.add(machine.memory.take(page, page), page);
        runs.add(FarMemory.START + 7 * page, 2 * page);
        runs.add(machine.memory.take(page, page), page);
        runs.add(FarMemory.END - page, page);
        runs.add(machine.memory.take(page, page), page);
        far.put(FarMemory.START + 7 * page, 2 * page);
        far.put(FarMemory.END - page, page);
        return machine.map(domain, machine.iova(device, domain, runs.totalBytes(), page), runs, READ_WRITE);
    }

    @Test
    void aScatterListMayMixNearAndFarPieces() {
        machine.connect(far);
        Mapped mapped = mapMixed();
        long iova = mapped.iova();
        ScatterList list = new ScatterList(4).add(iova + 3 * page + 1, 3).add(iova + 4 * page, 100).add(iova + 10, page)
                .add(iova + 2 * page, 2 * page);
        byte[] payload = new byte[(int) list.totalBytes()];
        random.nextBytes(payload);
        assertThat(port.write(list, MemorySegment.ofArray(payload), 0)).isEqualTo(DmaStatus.DONE);
        byte[] target = new byte[payload.length];
        assertThat(port.read(list, MemorySegment.ofArray(target), 0)).isEqualTo(DmaStatus.DONE);
        int done = 0;
        for (int piece = 0; piece < list.count(); piece++) {
            byte[] there = bytesAt(mapped, list.iova(piece), (int) list.lengthBytes(piece));
            // The last piece covers the first again.
            if (piece > 0) {
                assertThat(there).as("piece %d", piece).isEqualTo(Arrays.copyOfRange(payload, done, done + there.length));
            }
            assertThat(Arrays.copyOfRange(target, done, done + there.length)).as("piece %d", piece).isEqualTo(there);
            done += there.length;
        }
    }

    @Test
    void atomicsOnFarMemoryEndWithoutAnswer() {
        machine.connect(far);
        Mapped mapped = mapFar(FarMemory.START, page);
        Mapped near = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        passes(mapped, mapped.iova(), 16);
        byte[] before = far.bytes(FarMemory.START, 16);
        assertThat(port.fetchAndAdd(mapped.iova(), 1)).isZero();
        aborts(port.status());
        assertThat(port.compareAndSwap(mapped.iova() + 8, 0, 1)).isZero();
        aborts(port.status());
        assertThat(port.swap(mapped.iova(), 1)).isZero();
        aborts(port.status());
        assertThat(far.bytes(FarMemory.START, 16)).isEqualTo(before);
        port.swap(near.iova(), 77);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(Traffic.longAt(near.physicalAddress(near.iova()))).isEqualTo(77);
    }

    @Test
    void whatIsGoneEndsWithoutAnswerAndReadsAsZeros() {
        machine.connect(far);
        Mapped mapped = mapFar(FarMemory.START + 9 * page, 3 * page);
        Mapped near = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        passes(mapped, mapped.iova(), (int) (3 * page));
        far.vanish();
        byte[] bytes = new byte[(int) (2 * page)];
        for (int round = 0; round < 3; round++) {
            aborts(port.write(mapped.iova() + 8, MemorySegment.ofArray(bytes), 0, 8));
            Arrays.fill(bytes, (byte) 7);
            aborts(port.read(mapped.iova() + 8, MemorySegment.ofArray(bytes), 0, bytes.length));
            assertThat(bytes).containsOnly(0);
            aborts(port.write(new ScatterList(2).add(near.iova(), 8).add(mapped.iova(), 8), MemorySegment.ofArray(bytes), 0));
            traffic.passesThroughout(port, near);
        }
        far.put(FarMemory.START + 9 * page, page);
        assertThat(port.write(mapped.iova() + 8, MemorySegment.ofArray(bytes), 0, 8)).as("a page that came back").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void untilThereIsAServiceFarRequestsEndWithoutAnswer() {
        Mapped mapped = mapFar(FarMemory.START, page);
        aborts(port.read(mapped.iova(), MemorySegment.ofArray(new byte[8]), 0, 8));
        machine.connect(far);
        assertThat(port.read(mapped.iova(), MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void aReadOnlyFarPageRefusesWrites() {
        machine.connect(far);
        Mapped mapped = Mapped.of(machine.iova(device, domain, page, page), FarMemory.START, page);
        far.put(FarMemory.START, page);
        domain.map(mapped.iova(), mapped.runs(), READ);
        assertThat(port.read(mapped.iova(), MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.DONE);
        Traffic.writeIsRefused(port, mapped.iova() + 16, 64);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.PERMISSION);
        assertThat(far.bytes(FarMemory.START, (int) page)).containsOnly(0);
    }

    @Test
    void anUnmappedFarPageIsNotReachedAndItsIovaCanBecomeNear() {
        machine.connect(far);
        Mapped mapped = mapFar(FarMemory.START + page, page);
        passes(mapped, mapped.iova(), 64);
        byte[] before = far.bytes(FarMemory.START + page, (int) page);
        assertThat(domain.unmap(mapped.iova(), mapped.lastIova())).isEqualTo(page);
        Traffic.isRefused(port, mapped.iova());
        Mapped near = machine.mapFresh(domain, mapped.iova(), page, READ_WRITE);
        traffic.passesThroughout(port, near);
        assertThat(far.bytes(FarMemory.START + page, (int) page)).isEqualTo(before);
        domain.unmap(near.iova(), near.lastIova());
        Traffic.isRefused(port, mapped.iova());
        domain.map(mapped.iova(), mapped.runs(), READ_WRITE);
        passes(mapped, mapped.iova(), 64);
    }

    @Test
    void writtenFarPagesAreDirty() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        machine.connect(far);
        domain = device.attachNewDomain(new PagingOptions(false, true, false));
        Mapped mapped = mapFar(FarMemory.START, 4 * page);
        DirtyTracking tracking = domain.dirtyTracking().orElseThrow();
        tracking.setEnabled(true);
        for (int round = 0; round < 2; round++) {
            List<Long> found = new ArrayList<>();
            port.read(mapped.iova(), MemorySegment.ofArray(new byte[8]), 0, 8);
            port.write(mapped.iova() + 2 * page, MemorySegment.ofArray(new byte[8]), 0, 8);
            tracking.read(mapped.iova(), mapped.lastIova(), true, (iova, length) -> found.add(iova));
            assertThat(found).containsExactly(mapped.iova() + 2 * page);
        }
    }
}
