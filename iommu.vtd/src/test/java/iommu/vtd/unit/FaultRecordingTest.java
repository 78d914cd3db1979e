package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.DEVICE;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.peek;
import static iommu.vtd.unit.Board.poke;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Primary fault logging (§7.2.1) and the fault event (§7.3). */
class FaultRecordingTest {
    private static final int PFO = 1;
    private static final int PPF = 2;

    private static void fault(Board board, long iova) {
        assertThat(peek(board.port(), iova)).isEqualTo(-1);
    }

    @Test
    void pitfall11OverflowDropsRecordsUntilItIsCleared() {
        Board board = Board.legacy(VtdFeatures.legacy().withFaultRecords(3));
        for (int i = 0; i < 5; i++) {
            fault(board, 0x1000L * (i + 1));
        }
        assertThat(board.read(0x34)).isEqualTo(PFO | PPF);
        assertThat(board.readLong(0x220)).isEqualTo(0x1000);
        assertThat(board.readLong(0x240)).as("the ring keeps the oldest").isEqualTo(0x3000);
        for (int i = 0; i < 3; i++) {
            board.clearRecord(i);
        }
        assertThat(board.read(0x34) & 3).as("PPF is computed, PFO stays").isEqualTo(PFO);
        fault(board, 0x9000);
        assertThat(board.record(0) >>> 63).as("still dropped").isZero();
        board.write(0x34, PFO);
        fault(board, 0xA000);
        assertThat(board.readLong(0x220)).as("goes on at the internal index").isEqualTo(0xA000);
        assertThat(board.read(0x34)).isEqualTo(PPF);
    }

    @Test
    void firstPendingRecordIsNamed() {
        Board board = Board.legacy(VtdFeatures.legacy().withFaultRecords(4));
        fault(board, 0x1000);
        board.clearRecord(0);
        assertThat(board.read(0x34)).isZero();
        fault(board, 0x2000);
        fault(board, 0x3000);
        assertThat(board.read(0x34) >>> 8).as("FRI").isEqualTo(1);
        board.clearRecord(1);
        assertThat(board.read(0x34) & 0xFF).isEqualTo(PPF);
    }

    @Test
    void pitfall11PasidLeavesOtherFieldsAlone() {
        Board board = Board.scalable();
        assertThat(refusal(board.port(DEVICE, 0xFFFFF), 0x1000, READ)).isEqualTo(0x39);
        assertThat(board.record(0) >>> 40).as("F, T1, AT, PV").isEqualTo(0xC0_0000L | 0xFFFFF);
    }

    @Test
    void eventIsRaisedForTheFirstPendingFaultOnly() {
        Board board = Board.legacy();
        board.write(0x3C, 0x41);
        board.write(0x40, 0xFEE0_0000);
        board.write(0x44, 0);
        fault(board, 0x1000);
        assertThat(board.messages).as("masked after reset").isEmpty();
        assertThat(board.read(0x38)).isEqualTo(3 << 30);
        board.write(0x38, 0);
        assertThat(board.messages).containsExactly(0xFEE0_0000L << 16 | 0x41);
        fault(board, 0x2000);
        assertThat(board.messages).hasSize(1);
        board.clearRecord(0);
        board.clearRecord(1);
        fault(board, 0x3000);
        assertThat(board.messages).hasSize(2);
    }

    @Test
    void pendingEventIsWithdrawnWhenServiced() {
        Board board = Board.legacy();
        fault(board, 0x1000);
        board.clearRecord(0);
        assertThat(board.read(0x38)).as("only IM").isEqualTo(1 << 31);
    }

    @ParameterizedTest
    @CsvSource({"0, context", "1, context", "1, directory", "1, entry"})
    void pitfall11FaultProcessingDisableSuppressesQualifiedFaults(int mode, String where) {
        Board board = mode == 0 ? Board.legacy() : Board.scalable();
        long table = board.ram.frame();
        long entry;
        if (mode == 0) {
            board.legacyContext(DEVICE, 1, 4, table);
            entry = board.contextEntry(DEVICE);
        } else {
            board.firstStage(DEVICE, 0, 1, 4, table);
            entry = switch (where) {
                case "context" -> board.scalableContextEntry(DEVICE);
                case "directory" -> word(board.scalableContextEntry(DEVICE)) & -4096;
                default -> board.pasidEntry(DEVICE, 0);
            };
        }
        word(entry, word(entry) | 2);
        VtdPort port = board.port();
        assertThat(poke(port, 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault().orElseThrow().code()).isEqualTo(mode == 0 ? 0x05 : 0x71);
        assertThat(board.read(0x34)).as("not recorded").isZero();
        word(entry, 2);
        assertThat(poke(board.port(), 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(board.read(0x34)).as("also of an absent entry").isZero();
        word(board.root + (DEVICE >>> 8) * 16, 0);
        assertThat(refusal(board.port(), 0x1000, WRITE)).isEqualTo(mode == 0 ? 0x01 : 0x39);
        assertThat(board.read(0x34)).as("unqualified faults are recorded").isEqualTo(PPF);
    }

    @Test
    void pitfall9InterruptRangeIsNeverCachedByItsNeighbours() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, 1, 4, table);
        long around = 0xFEE0_0000L;
        board.map(table, 4, around, 21, Ram.BASE + (256L << 20) | 1 << 7 | 3, 3);
        VtdPort port = board.port();
        assertThat(poke(port, around + 0x10_0000, 1)).as("0xFEF00000 is ordinary").isEqualTo(DmaStatus.DONE);
        assertThat(refusal(port, around + 0x1000, WRITE)).isEqualTo(0x0E);
        assertThat(poke(port, around + 0x1F_F000, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void pitfall9RequestsWithPasidAreTranslatedAlsoInTheInterruptRange() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        board.firstStage(DEVICE, 5, 1, 4, table);
        board.mapFirst(table, 4, 0xFEE0_3000L, board.ram.frame());
        assertThat(poke(board.port(DEVICE, 5), 0xFEE0_3000L, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void pitfall10SnoopBitIsReservedInTablesOnly() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, 1, 4, table);
        board.map(table, 4, 0x1000, 12, board.ram.frame() | 1 << 11 | 3, 3);
        VtdPort port = board.port();
        assertThat(poke(port, 0x1000, 1)).as("SC is 1").isEqualTo(DmaStatus.DONE);
        word(table, word(table) | 1 << 11);
        board.execute(Board.iotlbInvalidate(1, 0), 0);
        assertThat(refusal(port, 0x1000, WRITE)).isEqualTo(0x0C);
    }

    @Test
    void missingMemoryIsNoFaultOfTranslation() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, 1, 4, table);
        board.mapSecond(table, 4, 0x1000, Ram.HOLE, 3);
        VtdPort port = board.port();
        assertThat(poke(port, 0x1000, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
        assertThat(board.read(0x34)).isZero();
    }

    @Test
    void legacyModeTellsAbsentFromDenied() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, 1, 4, table);
        board.mapSecond(table, 4, 0x1000, board.ram.frame(), READ);
        VtdPort port = board.port();
        assertThat(refusal(port, 0x1000, WRITE)).isEqualTo(5);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.PERMISSION);
        assertThat(refusal(port, 0x2000, WRITE)).isEqualTo(5);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
    }
}
