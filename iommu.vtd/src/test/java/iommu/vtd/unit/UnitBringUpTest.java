package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.DEVICE;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.SSADE;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.peek;
import static iommu.vtd.unit.Board.poke;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommu.vtd.format.HostAddress;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.FarMemory;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The unit by registers and memory alone. */
class UnitBringUpTest {
    private static final long IOVA = 0x12_3456_7000L;

    private static int at(long physicalAddress) {
        return Ram.bytes(physicalAddress, 1).get(ValueLayout.JAVA_BYTE, 0);
    }

    @Test
    void identifiesItself() {
        Board legacy = new Board(VtdFeatures.legacy());
        assertThat(legacy.read(0)).isEqualTo(0x50);
        long capability = legacy.readLong(0x08);
        assertThat(capability & 7).as("ND").isEqualTo(6);
        assertThat(capability >>> 8 & 0x1F).as("SAGAW").isEqualTo(0b01110);
        assertThat(capability >>> 7 & 1).as("CM").isZero();
        assertThat(capability >>> 16 & 0x3F).as("MGAW").isEqualTo(56);
        assertThat(FarMemory.END).as("2^HAW, which MGAW covers in every unit").isEqualTo(1L << HostAddress.BITS).isLessThan(1L << 47);
        assertThat(capability >>> 24 & 0x3FF).as("FRO").isEqualTo(0x22);
        assertThat(capability >>> 34 & 3).as("SSLPS").isEqualTo(3);
        assertThat(capability >>> 39 & 1).as("PSI").isEqualTo(1);
        assertThat(capability >>> 40 & 0xFF).as("NFR").isEqualTo(7);
        assertThat(capability >>> 48 & 0x3F).as("MAMV").isEqualTo(18);
        assertThat(capability >>> 63).as("ESRTPS").isEqualTo(1);
        assertThat(legacy.readLong(0x10) >>> 43 & 1).as("SMTS").isZero();
        long extended = new Board(VtdFeatures.scalableMode()).readLong(0x10);
        assertThat(extended >>> 43 & 1).as("SMTS").isEqualTo(1);
        assertThat(extended >>> 26 & 1).as("NEST").isZero();
        assertThat(extended >>> 2 & 1).as("DT").isZero();
        assertThat(extended >>> 3 & 1).as("IR").isZero();
        assertThat(extended >>> 29 & 1).as("PRS").isZero();
        assertThat(extended >>> 40 & 1).as("PASID").isEqualTo(1);
        assertThat(extended >>> 35 & 0x1F).as("PSS").isEqualTo(19);
        assertThat(extended >>> 45 & 0xF).as("SMPWCS, FSTS, SSTS, SSADS").isEqualTo(0xF);
    }

    @Test
    void passesDmaThroughUntilItIsEnabled() {
        Board board = new Board(VtdFeatures.legacy());
        long page = board.ram.frame();
        VtdPort port = board.port();
        assertThat(poke(port, page, 5)).isEqualTo(DmaStatus.DONE);
        assertThat(at(page)).isEqualTo(5);
        assertThat(poke(port, 1L << 50, 5)).as("no memory there").isEqualTo(DmaStatus.ABORTED);
        assertThat(poke(port, Long.MIN_VALUE + 5, 5)).as("nor there").isEqualTo(DmaStatus.ABORTED);
        board.setRoot(0);
        assertThat(board.read(0x1C) & 1 << 30).as("RTPS").isNotZero();
        board.command(31, true);
        assertThat(board.read(0x1C)).as("TES, RTPS").isEqualTo(1 << 31 | 1 << 30);
        assertThat(refusal(port, page, WRITE)).isEqualTo(0x01);
        board.command(31, false);
        assertThat(poke(port, page, 6)).isEqualTo(DmaStatus.DONE);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5})
    void translatesInLegacyMode(int levels) {
        Board board = Board.legacy();
        long table = board.ram.frame();
        long page = board.ram.frame();
        board.legacyContext(DEVICE, 7, levels, table);
        board.mapSecond(table, levels, IOVA & (1L << 39) - 1, page, READ | WRITE);
        VtdPort port = board.port();
        assertThat(poke(port, (IOVA & (1L << 39) - 1) + 9, 42)).isEqualTo(DmaStatus.DONE);
        assertThat(at(page + 9)).isEqualTo(42);
        assertThat(peek(port, (IOVA & (1L << 39) - 1) + 9)).isEqualTo(42);
        assertThat(word(board.leafSlot(table, levels, IOVA & (1L << 39) - 1, 12))).as("no marks in legacy mode").isEqualTo(page | 3);
    }

    @ParameterizedTest
    @ValueSource(ints = {21, 30})
    void translatesLargePages(int lg2) {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, 7, 4, table);
        long iova = 5L << 30;
        board.map(table, 4, iova, lg2, Ram.BASE | 1 << 7 | 3, 3);
        long inside = (1L << lg2) - 4096;
        assertThat(poke(board.port(), iova + inside, 77)).isEqualTo(DmaStatus.DONE);
        assertThat(at(Ram.BASE + inside)).isEqualTo(77);
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 5})
    void translatesByTheFirstStage(int levels) {
        Board board = Board.scalable();
        long table = board.ram.frame();
        long page = board.ram.frame();
        board.firstStage(DEVICE, 0, 3, levels, table);
        board.mapFirst(table, levels, IOVA, page);
        VtdPort port = board.port();
        assertThat(peek(port, IOVA)).isZero();
        long slot = board.leafSlot(table, levels, IOVA, 12);
        assertThat(word(slot)).as("accessed").isEqualTo(page | 7 | 1 << 5);
        assertThat(poke(port, IOVA, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(word(slot)).as("dirty").isEqualTo(page | 7 | 1 << 5 | 1 << 6);
        assertThat(board.dirtyMarks).containsExactly(slot);
        assertThat(at(page)).isEqualTo(8);
        long negative = -1L << 11 + 9 * levels;
        board.mapFirst(table, levels, negative, page);
        assertThat(peek(port, negative)).as("upper canonical half").isEqualTo(8);
    }

    @Test
    void setsTheExtendedAccessedFlagIfEnabled() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        long page = board.ram.frame();
        board.firstStage(DEVICE, 0, 3, 4, table);
        word(board.pasidEntry(DEVICE, 0) + 16, table | 1 << 7);
        board.mapFirst(table, 4, IOVA, page);
        assertThat(peek(board.port(), IOVA)).isZero();
        assertThat(word(board.leafSlot(table, 4, IOVA, 12))).isEqualTo(page | 7 | 1 << 5 | 1 << 10);
        assertThat(word(table) & (1 << 5 | 1 << 10)).as("also on the way").isEqualTo(1 << 5 | 1 << 10);
    }

    @Test
    void marksTheSecondStageIfEnabled() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        long page = board.ram.frame();
        board.secondStage(DEVICE, 0, 3, 4, table, SSADE);
        board.mapSecond(table, 4, IOVA, page, READ | WRITE);
        VtdPort port = board.port();
        long slot = board.leafSlot(table, 4, IOVA, 12);
        assertThat(peek(port, IOVA)).isZero();
        assertThat(word(slot)).isEqualTo(page | 3 | 1 << 8);
        assertThat(board.dirtyMarks).isEmpty();
        assertThat(poke(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(word(slot)).as("though the translation was cached").isEqualTo(page | 3 | 1 << 8 | 1 << 9);
        assertThat(board.dirtyMarks).containsExactly(slot);
    }

    @Test
    void keepsPasidsApart() {
        Board board = Board.scalable();
        long withoutPasid = board.ram.frame();
        long withPasid = board.ram.frame();
        long first = board.ram.frame();
        long second = board.ram.frame();
        board.firstStage(DEVICE, 0, 3, 4, first);
        board.secondStage(DEVICE, 5000, 4, 4, second, 0);
        board.mapFirst(first, 4, IOVA, withoutPasid);
        board.mapSecond(second, 4, IOVA, withPasid, READ | WRITE);
        assertThat(poke(board.port(), IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(poke(board.port(DEVICE, 5000), IOVA, 2)).isEqualTo(DmaStatus.DONE);
        assertThat(at(withoutPasid)).isEqualTo(1);
        assertThat(at(withPasid)).isEqualTo(2);
    }

    @Test
    void nestsTheFirstStageInTheSecond() {
        Board board = Board.scalable(VtdFeatures.scalableMode().withNested());
        long second = board.ram.frame();
        long[] guest = new long[6];
        for (int i = 0; i < guest.length; i++) {
            guest[i] = board.ram.frame();
            board.mapSecond(second, 4, i * 4096L, guest[i], READ | WRITE);
        }
        for (int level = 4; level > 1; level--) {
            word(guest[4 - level] + (IOVA >>> 12 + 9 * (level - 1) & 511) * 8, (5 - level) * 4096L | 7);
        }
        word(guest[3] + (IOVA >>> 12 & 511) * 8, 4 * 4096L | 7);
        board.nested(DEVICE, 0, 9, 4, 0, 4, second, SSADE);
        VtdPort port = board.port();
        assertThat(poke(port, IOVA + 3, 99)).isEqualTo(DmaStatus.DONE);
        assertThat(at(guest[4] + 3)).isEqualTo(99);
        assertThat(word(guest[3] + (IOVA >>> 12 & 511) * 8)).as("first stage marked").isEqualTo(4 * 4096L | 7 | 0x60);
        assertThat(word(board.leafSlot(second, 4, 4 * 4096L, 12)) & 0x300).as("second stage marked").isEqualTo(0x300);
        assertThat(word(board.leafSlot(second, 4, 3 * 4096L, 12)) & 0x300).as("guest table written").isEqualTo(0x300);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void passesThrough(int tableMode) {
        Board board = tableMode == 0 ? Board.legacy() : Board.scalable();
        long page = board.ram.frame();
        if (tableMode == 0) {
            long entry = board.contextEntry(DEVICE);
            word(entry + 8, 1 << 8 | 2);
            word(entry, 2 << 2 | 1);
        } else {
            long entry = board.pasidEntry(DEVICE, 0);
            word(entry + 8, 1);
            word(entry, 4 << 6 | 1);
        }
        VtdPort port = board.port();
        assertThat(poke(port, page, 3)).isEqualTo(DmaStatus.DONE);
        assertThat(at(page)).isEqualTo(3);
        assertThat(refusal(port, 1L << 46, WRITE)).isEqualTo(tableMode == 0 ? 0x04 : 0x83);
        assertThat(refusal(port, 0xFEE0_0000L, READ)).isEqualTo(tableMode == 0 ? 0x0E : 0x87);
    }

    @Test
    void upperHalfOfABusHasItsOwnScalableContextTable() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        long page = board.ram.frame();
        int device = 0x03F8;
        board.firstStage(device, 0, 3, 4, table);
        board.mapFirst(table, 4, IOVA, page);
        assertThat(poke(board.port(device, Pasid.NONE), IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(refusal(board.port(0x0378, Pasid.NONE), IOVA, WRITE)).as("lower half").isEqualTo(0x39);
    }

    @Test
    void abortDmaModeStopsEverything() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        long page = board.ram.frame();
        board.firstStage(DEVICE, 0, 3, 4, table);
        board.mapFirst(table, 4, IOVA, page);
        VtdPort port = board.port();
        assertThat(poke(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        board.setRoot(3);
        assertThat(refusal(port, IOVA, WRITE)).isEqualTo(0x33);
        board.setRoot(1);
        assertThat(poke(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void registersCanBeWrittenInHalves() {
        Board board = new Board(VtdFeatures.legacy());
        board.write(0x90, 0x7000_0807);
        board.write(0x94, 0x12);
        assertThat(board.readLong(0x90)).isEqualTo(0x12_7000_0807L);
        board.writeLong(0x08, -1);
        board.writeLong(0x10, -1);
        board.write(0x1C, -1);
        assertThat(board.readLong(0x08)).as("read-only").isEqualTo(VtdFeatures.legacy().capability());
        assertThat(board.read(0x1C)).as("read-only").isZero();
        assertThat(board.read(0xB8)).as("interrupt remapping is not there").isZero();
        board.unit.write(0xFFE, 4, 1);
        board.unit.write(-8, 8, 1);
        board.unit.write(4096, 8, 1);
        assertThat(board.unit.read(4094, 4)).isZero();
        assertThat(board.unit.read(0, 2)).isZero();
    }
}
