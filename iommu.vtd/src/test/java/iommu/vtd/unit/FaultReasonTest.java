package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.DEVICE;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.SSADE;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommu.vtd.format.FaultReason;
import iommufd.api.dma.Pasid;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every reason of Table 30 that can occur, brought about and read out of the fault recording register field by field. */
class FaultReasonTest {
    private static final long IOVA = 0x12_3456_7000L;
    private static final int SID = DEVICE;
    /** In {@link InterruptRemappingTest}, {@link DeviceTlbTest}, {@link PageRequestTest} and {@link PrivilegeTest}. */
    private static final Set<Integer> ELSEWHERE = Set.of(0x0D, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x32,
            0x44, 0x47, 0x5D);

    private record Case(int code, String what, int mode, int access, int pasid, long iova, Consumer<Board> setup) {}

    private final List<Case> cases = new ArrayList<>();

    private void legacy(int code, String what, int access, long iova, Consumer<Board> setup) {
        cases.add(new Case(code, what, 0, access, Pasid.NONE, iova, setup));
    }

    private void legacy(int code, String what, Consumer<Board> setup) {
        legacy(code, what, WRITE, IOVA, setup);
    }

    private void scalable(int code, String what, int access, int pasid, long iova, Consumer<Board> setup) {
        cases.add(new Case(code, what, 1, access, pasid, iova, setup));
    }

    private void scalable(int code, String what, Consumer<Board> setup) {
        scalable(code, what, WRITE, Pasid.NONE, IOVA, setup);
    }

    private static long context(Board board, int levels) {
        long table = board.ram.frame();
        board.legacyContext(SID, 7, levels, table);
        return table;
    }

    private static long second(Board board, long flags) {
        long table = board.ram.frame();
        board.secondStage(SID, 0, 7, 4, table, flags);
        return table;
    }

    private static long first(Board board) {
        long table = board.ram.frame();
        board.firstStage(SID, 0, 7, 4, table);
        return table;
    }

    /** Guest pages 0 to 4 hold a first-stage path for IOVA; page 5 is what it maps. */
    private static long nested(Board board, int secondLevels) {
        long second = board.ram.frame();
        for (int page = 0; page < 6; page++) {
            board.mapSecond(second, secondLevels, page * 4096L, board.ram.frame(), READ | WRITE);
        }
        for (int level = 4; level > 1; level--) {
            word(guest(board, second, secondLevels, 4 - level) + (IOVA >>> 12 + 9 * (level - 1) & 511) * 8, (5 - level) * 4096L | 7);
        }
        word(guest(board, second, secondLevels, 3) + (IOVA >>> 12 & 511) * 8, 5 * 4096L | 7);
        board.nested(SID, 0, 7, 4, 0, secondLevels, second, 0);
        return second;
    }

    private static long guest(Board board, long second, int levels, int page) {
        return word(board.leafSlot(second, levels, page * 4096L, 12)) & -4096;
    }

    private static void deny(Board board, long second, int page, int access) {
        long slot = board.leafSlot(second, 4, page * 4096L, 12);
        word(slot, word(slot) & -4096 | access);
    }

    private void legacyCases() {
        legacy(0x01, "no root entry", board -> { });
        legacy(0x02, "no context entry", board -> board.contextEntry(SID));
        legacy(0x03, "reserved address width", board -> context(board, 2));
        legacy(0x03, "six levels", board -> context(board, 6));
        legacy(0x03, "reserved translation type", board -> word(board.contextEntry(SID), word(touch(board)) | 3 << 2));
        legacy(0x03, "device-TLB without support", board -> word(board.contextEntry(SID), word(touch(board)) | 1 << 2));
        legacy(0x03, "second stage without memory", board -> board.legacyContext(SID, 7, 4, Ram.HOLE));
        legacy(0x04, "beyond the address width", WRITE, 1L << 39, board -> context(board, 3));
        legacy(0x04, "top bit", READ, Long.MIN_VALUE, board -> context(board, 5));
        legacy(0x05, "write to what is not mapped", board -> context(board, 4));
        legacy(0x05, "write to a read-only page", board -> board.mapSecond(context(board, 4), 4, IOVA, board.ram.frame(), READ));
        legacy(0x06, "read of a write-only page", READ, IOVA,
                board -> board.mapSecond(context(board, 4), 4, IOVA, board.ram.frame(), WRITE));
        legacy(0x07, "table without memory", board -> word(context(board, 4) + (IOVA >>> 39) * 8, Ram.HOLE | 3));
        legacy(0x08, "root table without memory", board -> {
            board.writeLong(0x20, Ram.HOLE);
            board.command(30, true);
        });
        legacy(0x09, "context table without memory", board -> word(board.root + (SID >>> 8) * 16, Ram.HOLE | 1));
        legacy(0x0A, "reserved bit in root entry", board -> word(rootEntry(board), word(rootEntry(board)) | 1 << 4));
        legacy(0x0A, "upper half of root entry", board -> word(rootEntry(board) + 8, 1));
        legacy(0x0A, "root entry beyond the host's width", board -> word(rootEntry(board), word(rootEntry(board)) | 1L << 46));
        legacy(0x0B, "reserved bit in context entry", board -> word(touch(board) + 8, word(touch(board) + 8) | 1L << 24));
        legacy(0x0B, "bit 71 of context entry", board -> word(touch(board) + 8, word(touch(board) + 8) | 1L << 7));
        legacy(0x0B, "bit 4 of context entry", board -> word(touch(board), word(touch(board)) | 1 << 4));
        legacy(0x0C, "leaf beyond the host's width", board -> board.mapSecond(context(board, 4), 4, IOVA, 1L << 46, 3));
        legacy(0x0C, "page size at the top", board -> word(context(board, 4) + (IOVA >>> 39) * 8, board.ram.frame() | 1 << 7 | 3));
        legacy(0x0C, "misaligned 2 MiB leaf", board -> board.map(context(board, 4), 4, IOVA, 21, Ram.BASE + 4096 | 1 << 7 | 3, 3));
        legacy(0x0E, "output in the interrupt range", board -> board.mapSecond(context(board, 4), 4, IOVA, 0xFEE0_1000L, 3));
        legacy(0x0E, "input in the interrupt range", READ, 0xFEE0_1000L,
                board -> board.mapSecond(context(board, 4), 4, 0xFEE0_1000L, board.ram.frame(), 3));
        legacy(0x30, "reserved table mode", board -> board.setRoot(2));
        legacy(0x30, "scalable mode without support", board -> board.setRoot(1));
        cases.add(new Case(0x31, "PASID in legacy mode", 0, WRITE, 5, IOVA, board -> context(board, 4)));
        legacy(0x33, "abort-dma mode", board -> board.setRoot(3));
    }

    private static long rootEntry(Board board) {
        board.contextEntry(SID);
        return board.root + (SID >>> 8) * 16L;
    }

    /** A good context entry. */
    private static long touch(Board board) {
        if (word(board.contextEntry(SID)) == 0) {
            context(board, 4);
        }
        return board.contextEntry(SID);
    }

    private void scalableStructureCases() {
        scalable(0x38, "root table without memory", board -> {
            board.writeLong(0x20, Ram.HOLE | 1 << 10);
            board.command(30, true);
        });
        scalable(0x39, "no root entry", board -> { });
        scalable(0x3A, "reserved bit in root entry", board -> {
            board.scalableContextEntry(SID);
            word(board.root + (SID >>> 8) * 16, word(board.root + (SID >>> 8) * 16) | 1 << 3);
        });
        scalable(0x40, "context table without memory", board -> word(board.root + (SID >>> 8) * 16, Ram.HOLE | 1));
        scalable(0x41, "no context entry", board -> board.scalableContextEntry(SID));
        for (int bit : new int[] {4, 5, 6, 7, 8, 46}) {
            scalable(0x42, "bit " + bit + " of context entry", board -> contextBit(board, 0, bit));
        }
        scalable(0x42, "DTE without support", board -> contextBit(board, 0, 2));
        scalable(0x42, "RID_PRIV without support", board -> contextBit(board, 1, 20));
        scalable(0x42, "bit 191 of context entry", board -> contextBit(board, 2, 63));
        scalable(0x42, "bit 255 of context entry", board -> contextBit(board, 3, 63));
        scalable(0x43, "RID_PASID beyond the directory", board -> contextBit(board, 1, 13));
        scalable(0x45, "PASIDs disabled", WRITE, 5, IOVA, board -> {
            first(board);
            long context = board.scalableContextEntry(SID);
            word(context, word(context) & ~8L);
        });
        scalable(0x46, "PASID beyond the directory", WRITE, 1 << 13, IOVA, FaultReasonTest::first);
        scalable(0x48, "PASID is RID_PASID", WRITE, 0, IOVA, FaultReasonTest::first);
        scalable(0x50, "directory without memory", board -> {
            first(board);
            word(board.scalableContextEntry(SID), Ram.HOLE | 9);
        });
        scalable(0x51, "no directory entry", WRITE, 64, IOVA, FaultReasonTest::first);
        scalable(0x52, "reserved bit in directory entry", board -> {
            first(board);
            long directory = word(board.scalableContextEntry(SID)) & -4096;
            word(directory, word(directory) | 1 << 2);
        });
        scalable(0x58, "PASID table without memory", board -> {
            first(board);
            word(word(board.scalableContextEntry(SID)) & -4096, Ram.HOLE | 1);
        });
        scalable(0x59, "no PASID entry", WRITE, 5, IOVA, FaultReasonTest::first);
        int[][] reserved = {{0, 5}, {0, 10}, {0, 11}, {0, 46}, {1, 16}, {1, 22}, {1, 25}, {1, 26}, {1, 31}, {1, 32}, {2, 0}, {2, 1},
            {2, 8}, {2, 11}, {2, 46}, {3, 0}, {4, 0}, {5, 15}, {6, 0}, {7, 63}};
        for (int[] bit : reserved) {
            scalable(0x5A, "word " + bit[0] + " bit " + bit[1] + " of PASID entry", board -> {
                first(board);
                long word = board.pasidEntry(SID, 0) + bit[0] * 8L;
                word(word, word(word) | 1L << bit[1]);
            });
        }
        for (int type : new int[] {0, 5, 6, 7}) {
            scalable(0x5B, "translation type " + type, board -> {
                first(board);
                word(board.pasidEntry(SID, 0), type << 6 | 1);
            });
        }
        scalable(0x5B, "nested without support", board -> board.nested(SID, 0, 7, 4, 0, 4, board.ram.frame(), 0));
        scalable(0x5B, "two levels", board -> board.secondStage(SID, 0, 7, 2, board.ram.frame(), 0));
        scalable(0x5B, "paging mode 2", board -> board.firstStage(SID, 0, 7, 6, board.ram.frame()));
    }

    private static void contextBit(Board board, int word, int bit) {
        first(board);
        long entry = board.scalableContextEntry(SID) + word * 8L;
        word(entry, word(entry) | 1L << bit);
    }

    private void scalableWalkCases() {
        scalable(0x70, "first-stage table without memory", board -> word(first(board) + (IOVA >>> 39) * 8, Ram.HOLE | 7));
        scalable(0x71, "not mapped", FaultReasonTest::first);
        scalable(0x72, "reserved bit in first-stage entry", board -> board.mapFirst(first(board), 4, IOVA, 1L << 46));
        scalable(0x73, "first-stage top table without memory", board -> board.firstStage(SID, 0, 7, 4, Ram.HOLE));
        scalable(0x80, "not canonical", READ, Pasid.NONE, 1L << 47, FaultReasonTest::first);
        scalable(0x81, "supervisor page", READ, Pasid.NONE, IOVA,
                board -> board.map(first(board), 4, IOVA, 12, board.ram.frame() | 3, 7));
        scalable(0x85, "first stage is read-only", board -> board.map(first(board), 4, IOVA, 12, board.ram.frame() | 5, 7));
        scalable(0x90, "first-stage mark without snooping", READ, Pasid.NONE, IOVA, board -> {
            board.mapFirst(first(board), 4, IOVA, board.ram.frame());
            word(board.pasidEntry(SID, 0) + 8, 7);
        });
        scalable(0x78, "second-stage table without memory", board -> word(second(board, 0) + (IOVA >>> 39) * 8, Ram.HOLE | 3));
        scalable(0x79, "second stage not mapped", board -> second(board, 0));
        scalable(0x7A, "reserved bit in second-stage entry", board -> board.mapSecond(second(board, 0), 4, IOVA, 1L << 51, 3));
        scalable(0x7A, "TM is reserved", board -> board.map(second(board, 0), 4, IOVA, 12, board.ram.frame() | 1L << 62 | 3, 3));
        scalable(0x7B, "second-stage top table without memory", board -> board.secondStage(SID, 0, 7, 4, Ram.HOLE, 0));
        scalable(0x7C, "second-stage mark without snooping", READ, Pasid.NONE, IOVA, board -> {
            board.mapSecond(second(board, SSADE), 4, IOVA, board.ram.frame(), 3);
            word(board.pasidEntry(SID, 0) + 8, 7);
        });
        scalable(0x83, "pass-through beyond the host's width", WRITE, Pasid.NONE, 1L << 46, board -> {
            first(board);
            word(board.pasidEntry(SID, 0), 4 << 6 | 1);
        });
        scalable(0x84, "beyond the second stage's width", READ, Pasid.NONE, 1L << 48, board -> second(board, 0));
        scalable(0x85, "second stage is read-only", board -> board.mapSecond(second(board, 0), 4, IOVA, board.ram.frame(), READ));
        scalable(0x86, "second stage is write-only", READ, Pasid.NONE, IOVA,
                board -> board.mapSecond(second(board, 0), 4, IOVA, board.ram.frame(), WRITE));
        scalable(0x87, "output in the interrupt range", board -> board.mapFirst(first(board), 4, IOVA, 0xFEE0_0000L));
        scalable(0x87, "input in the interrupt range", WRITE, Pasid.NONE, 0xFEEF_F000L,
                board -> board.mapFirst(first(board), 4, 0xFEEF_F000L, board.ram.frame()));
    }

    private void nestedCases() {
        nestedCase(0x5B, "first-stage root beyond the second stage", board -> board.nested(SID, 0, 7, 4, 1L << 39, 3, board.ram.frame(), 0));
        nestedCase(0x74, "first-stage entry beyond the second stage", board -> {
            long second = nested(board, 3);
            word(guest(board, second, 3, 0) + (IOVA >>> 39) * 8, 1L << 39 | 7);
        });
        nestedCase(0x75, "top table not readable", board -> deny(board, nested(board, 4), 0, WRITE));
        nestedCase(0x76, "lower table not readable", board -> deny(board, nested(board, 4), 2, WRITE));
        nestedCase(0x77, "table not writable for marks", board -> deny(board, nested(board, 4), 1, READ));
        nestedCase(0x79, "table not mapped", board -> deny(board, nested(board, 4), 3, 0));
        nestedCase(0x85, "page not writable", board -> deny(board, nested(board, 4), 5, READ));
    }

    private void nestedCase(int code, String what, Consumer<Board> setup) {
        cases.add(new Case(code, "nested: " + what, 2, WRITE, Pasid.NONE, IOVA, setup));
    }

    private static Board board(int mode) {
        return switch (mode) {
            case 0 -> Board.legacy();
            case 1 -> Board.scalable();
            default -> Board.scalable(VtdFeatures.scalableMode().withNested());
        };
    }

    @TestFactory
    List<DynamicTest> everyReasonIsRecorded() {
        legacyCases();
        scalableStructureCases();
        scalableWalkCases();
        nestedCases();
        cases.add(new Case(0x89, "PASID wider than supported", 3, WRITE, 1 << 10, IOVA, FaultReasonTest::first));
        List<DynamicTest> tests = new ArrayList<>();
        for (Case each : cases) {
            tests.add(DynamicTest.dynamicTest("%02x %s".formatted(each.code, each.what), () -> check(each)));
        }
        tests.add(DynamicTest.dynamicTest("no reason was left out", () -> {
            Set<Integer> covered = new TreeSet<>();
            cases.forEach(each -> covered.add(each.code));
            covered.addAll(ELSEWHERE);
            Set<Integer> all = new TreeSet<>();
            for (FaultReason reason : FaultReason.values()) {
                all.add(reason.code());
            }
            assertThat(covered).isEqualTo(all);
        }));
        return tests;
    }

    private static void check(Case each) {
        Board board = each.mode == 3 ? Board.scalable(VtdFeatures.scalableMode().withPasidBits(10)) : board(each.mode);
        each.setup.accept(board);
        VtdPort port = board.port(SID, each.pasid);
        assertThat(refusal(port, each.iova + 0x123, each.access)).isEqualTo(each.code);
        assertThat(port.lastFault().orElseThrow().iova()).isEqualTo(each.iova + 0x123);
        assertThat(board.read(0x34)).as("FSTS: PPF, record 0").isEqualTo(2);
        assertThat(board.readLong(0x220)).as("FI").isEqualTo(each.iova & (1L << 57) - 1);
        long high = board.record(0);
        assertThat(high & 0xFFFF).as("SID").isEqualTo(SID);
        assertThat(high >>> 32 & 0xFF).as("FR").isEqualTo(each.code);
        assertThat(high >>> 63).as("F").isEqualTo(1);
        assertThat(high >>> 62 & 1).as("T1").isEqualTo(each.access == READ ? 1 : 0);
        assertThat(high >>> 31 & 1).as("PP").isEqualTo(each.pasid == Pasid.NONE ? 0 : 1);
        assertThat(high >>> 40 & 0xFFFFF).as("PV").isEqualTo(Math.max(each.pasid, 0));
        assertThat(high & 0x7FFF_0000L | high >>> 28 & 1 | high >>> 60 & 3).as("reserved, PRIV, EXE, T2, AT").isZero();
        assertThat(board.record(1)).as("only one record").isZero();
    }
}
