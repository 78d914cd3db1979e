package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests move exactly the bytes they name, in any shape. */
abstract class TransferContract extends Contract {
    private static final int PAGES = 12;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private Mapped mapped;

    @BeforeEach
    final void mapScatteredPages() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        PinnedRuns runs = new PinnedRuns(PAGES);
        long first = machine.memory.take(2 * PAGES * page, page);
        for (int i = 0; i < PAGES; i++) {
            runs.add(first + 2L * (i * 5 % PAGES) * page, page);
        }
        mapped = machine.map(domain, machine.iova(device, domain, PAGES * page, page), runs, READ_WRITE);
    }

    @Test
    void everyLengthAndOffsetAroundAPageBorderMovesExactly() {
        long border = mapped.iova() + page;
        for (int before = 0; before <= 9; before += 3) {
            for (int length = 1; length <= 20; length++) {
                traffic.writeArrives(port, mapped, border - before, length);
                traffic.readArrives(port, mapped, border - before, length);
            }
        }
    }

    @Test
    void aRequestMaySpanManyPages() {
        traffic.passes(port, mapped, mapped.iova(), (int) (PAGES * page));
        traffic.passes(port, mapped, mapped.iova() + page - 1, (int) (7 * page + 2));
    }

    @Test
    void writingTheLastBytesOfAPageLeavesTheNextFrameAlone() {
        for (int i = 0; i < PAGES; i++) {
            traffic.writeArrives(port, mapped, mapped.iova() + (i + 1) * page - 7, i == PAGES - 1 ? 7 : 7 + i % 2);
            traffic.writeArrives(port, mapped, mapped.iova() + i * page, 1);
        }
    }

    @Test
    void nativeAndHeapBuffersServeAlike() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocate(100, 8);
            for (int i = 0; i < 100; i++) {
                source.set(ValueLayout.JAVA_BYTE, i, (byte) (i + 1));
            }
            assertThat(port.write(mapped.iova() + page - 50, source, 1, 99)).isEqualTo(DmaStatus.DONE);
            MemorySegment target = arena.allocate(100, 8);
            assertThat(port.read(mapped.iova() + page - 50, target, 1, 99)).isEqualTo(DmaStatus.DONE);
            assertThat(target.get(ValueLayout.JAVA_BYTE, 0)).isZero();
            assertThat(target.asSlice(1).mismatch(source.asSlice(1))).isEqualTo(-1);
        }
    }

    @Test
    void aScatterListIsWrittenPieceByPiece() {
        ScatterList list = pieces();
        byte[] payload = traffic.randomBytes((int) list.totalBytes() + 3);
        Traffic.Watch watch = new Traffic.Watch();
        int offset = 3;
        for (int piece = 0; piece < list.count(); piece++) {
            for (int i = 0; i < list.lengthBytes(piece); i++) {
                watch.expect(mapped.physicalAddress(list.iova(piece) + i), payload[offset++]);
            }
        }
        assertThat(port.write(list, MemorySegment.ofArray(payload), 3)).isEqualTo(DmaStatus.DONE);
        watch.verify();
    }

    @Test
    void aScatterListIsReadPieceByPiece() {
        ScatterList list = pieces();
        byte[] expected = traffic.randomBytes((int) list.totalBytes());
        int offset = 0;
        for (int piece = 0; piece < list.count(); piece++) {
            for (int i = 0; i < list.lengthBytes(piece); i++) {
                Traffic.putByte(mapped.physicalAddress(list.iova(piece) + i), expected[offset++]);
            }
        }
        byte[] target = new byte[expected.length + 2];
        assertThat(port.read(list, MemorySegment.ofArray(target), 1)).isEqualTo(DmaStatus.DONE);
        assertThat(Arrays.copyOfRange(target, 1, target.length - 1)).isEqualTo(expected);
        assertThat(target[0]).isZero();
        assertThat(target[target.length - 1]).isZero();
    }

    @Test
    void compareAndSwapReplacesOnlyWhatWasExpected() {
        long word = word(2 * page - 8);
        Traffic.Watch watch = new Traffic.Watch().around(word);
        Traffic.putLong(word, 0x1122334455667788L);
        assertThat(port.compareAndSwap(mapped.iova() + 2 * page - 8, 1, 2)).isEqualTo(0x1122334455667788L);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(Traffic.longAt(word)).isEqualTo(0x1122334455667788L);
        assertThat(port.compareAndSwap(mapped.iova() + 2 * page - 8, 0x1122334455667788L, -5)).isEqualTo(0x1122334455667788L);
        assertThat(Traffic.longAt(word)).isEqualTo(-5);
        Traffic.putLong(word, 0);
        watch.verify();
    }

    @Test
    void fetchAndAddAndSwapAnswerTheWordTheyFound() {
        long word = word(64);
        Traffic.Watch watch = new Traffic.Watch().around(word);
        Traffic.putLong(word, Long.MAX_VALUE);
        assertThat(port.fetchAndAdd(mapped.iova() + 64, 2)).isEqualTo(Long.MAX_VALUE);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(Traffic.longAt(word)).isEqualTo(Long.MIN_VALUE + 1);
        assertThat(port.swap(mapped.iova() + 64, 77)).isEqualTo(Long.MIN_VALUE + 1);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(Traffic.longAt(word)).isEqualTo(77);
        Traffic.putLong(word, 0);
        watch.verify();
    }

    @Test
    void additionsOfTwoPortsAreAllCounted() {
        HardwarePort second = device.port();
        int rounds = 20_000;
        try (DmaThread thread = DmaThread.times(rounds, () -> second.fetchAndAdd(mapped.iova(), 1))) {
            for (int i = 0; i < rounds; i++) {
                port.fetchAndAdd(mapped.iova(), 1);
            }
            thread.join();
        }
        assertThat(Traffic.longAt(word(0))).isEqualTo(2L * rounds);
    }

    @Test
    void statusIsThatOfTheLatestRequest() {
        Traffic.isRefused(port, mapped.lastIova() + 1);
        port.fetchAndAdd(mapped.iova(), 1);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        port.fetchAndAdd(mapped.lastIova() + 1 & -8, 1);
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        port.read(mapped.iova(), MemorySegment.ofArray(new byte[1]), 0, 1);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
    }

    private long word(long offset) {
        return mapped.physicalAddress(mapped.iova() + offset);
    }

    private ScatterList pieces() {
        long iova = mapped.iova();
        return new ScatterList(8).add(iova + 3 * page + 5, 1).add(iova, 100).add(iova + 2 * page - 10, 20)
                .add(iova + 5 * page, page).add(iova + 7 * page - 1, page + 2).add(iova + page, 3);
    }
}
