package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommu.vtd.unit.Board.Device;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.AtsPort.Translation;
import iommufd.api.hardware.AtsPort.Translation.Status;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Devices that translate by themselves (§4): translation requests, translated requests, invalidations of their caches. */
class DeviceTlbTest {
    private static final int SID = 0x0310;
    private static final int PASID = 70;
    private static final long IOVA = 0x12_3456_7000L;
    private static final VtdFeatures FEATURES = VtdFeatures.scalableMode().withNested()
            .with(VtdFeature.DEVICE_TLB, VtdFeature.NO_WRITE_FLAG);

    private final Board board = Board.scalable(FEATURES);

    private long allow(Board on, int pasid) {
        long entry = on.pasidEntry(SID, pasid);
        word(on.scalableContextEntry(SID), word(on.scalableContextEntry(SID)) | 1 << 2);
        return entry;
    }

    private long firstStage() {
        long table = board.ram.frame();
        allow(board, PASID);
        board.firstStage(SID, PASID, 7, 4, table);
        return table;
    }

    private static Translation nothing() {
        return new Translation(Status.SUCCESS, 0, 4096, false, false, false);
    }

    @Test
    void grantsWhatTheTablesGrantAndMarks() {
        long table = firstStage();
        long page = board.ram.frame();
        board.mapFirst(table, 4, IOVA, page);
        VtdAtsPort port = board.atsPort(SID, PASID);
        assertThat(port.requestTranslation(IOVA + 0x123, DmaAccess.READ)).as("No Write")
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, false, false));
        assertThat(word(board.leafSlot(table, 4, IOVA, 12)) & 0x60).as("A").isEqualTo(0x20);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE))
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, true, false));
        assertThat(word(board.leafSlot(table, 4, IOVA, 12)) & 0x60).as("A, D").isEqualTo(0x60);
        word(board.leafSlot(table, 4, IOVA, 12), page | 5);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE)).as("effective permission")
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, false, false));
        word(board.leafSlot(table, 4, IOVA, 12), 0);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(nothing());
        assertThat(board.read(0x34)).as("recoverable: not recorded").isZero();
    }

    @Test
    void withoutNoWriteFlagEveryRequestMayWrite() {
        Board plain = Board.scalable(VtdFeatures.scalableMode().withDeviceTlb());
        long table = plain.ram.frame();
        long page = plain.ram.frame();
        allow(plain, PASID);
        plain.firstStage(SID, PASID, 7, 4, table);
        plain.mapFirst(table, 4, IOVA, page);
        assertThat(plain.atsPort(SID, PASID).requestTranslation(IOVA, DmaAccess.READ))
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, true, false));
    }

    @Test
    void sizeIsThatOfTheLeaf() {
        long table = board.ram.frame();
        allow(board, 0);
        board.secondStage(SID, 0, 7, 4, table, 0);
        board.map(table, 4, IOVA, 21, Ram.BASE | 3 | 1 << 7, 3);
        board.map(table, 4, 1L << 39, 30, Ram.BASE | 2 | 1 << 7, 3);
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE))
                .isEqualTo(new Translation(Status.SUCCESS, Ram.BASE, 1 << 21, true, true, false));
        assertThat(port.requestTranslation((1L << 39) + 0x123_4567, DmaAccess.READ_WRITE)).as("write-only")
                .isEqualTo(new Translation(Status.SUCCESS, Ram.BASE, 1 << 30, false, true, false));
        assertThat(port.requestTranslation((1L << 39) + 0x123_4567, DmaAccess.READ)).isEqualTo(nothing());
    }

    @Test
    void nestedAndPassThrough() {
        long first = board.ram.frame();
        long second = board.ram.frame();
        allow(board, PASID);
        for (long page = 0; page < 8; page++) {
            board.mapSecond(second, 4, page * 4096, board.ram.frame(), READ | WRITE);
        }
        word(word(board.leafSlot(second, 4, 0, 12)) & -4096, 4096 | 7);
        word(word(board.leafSlot(second, 4, 4096, 12)) & -4096, 8192 | 7);
        word(word(board.leafSlot(second, 4, 8192, 12)) & -4096, 12288 | 7);
        word(word(board.leafSlot(second, 4, 12288, 12)) & -4096, 0x4000 | 7);
        board.nested(SID, PASID, 7, 4, 0, 4, second, 0);
        long page = word(board.leafSlot(second, 4, 0x4000, 12)) & -4096;
        assertThat(board.atsPort(SID, PASID).requestTranslation(0, DmaAccess.READ_WRITE))
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, true, false));
        word(board.pasidEntry(SID, 0) + 8, 9 | Board.PWSNP);
        word(board.pasidEntry(SID, 0), 1 | 4 << 6);
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        assertThat(port.requestTranslation(Ram.BASE + 5000, DmaAccess.READ_WRITE))
                .isEqualTo(new Translation(Status.SUCCESS, Ram.BASE & -1L << 30, 1 << 30, true, true, false));
        Translation near = port.requestTranslation(0xFED0_0000L, DmaAccess.READ_WRITE);
        assertThat(near.address() + near.lengthBytes()).as("keeps clear of interrupts").isLessThanOrEqualTo(0xFEE0_0000L);
        assertThat(near.lengthBytes()).isGreaterThanOrEqualTo(4096);
        assertThat(first).isNotZero();
    }

    @Test
    void interruptRangeIsForUntranslatedWrites() {
        long table = board.ram.frame();
        allow(board, 0);
        board.secondStage(SID, 0, 7, 4, table, 0);
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        assertThat(port.requestTranslation(0xFEE0_1000L, DmaAccess.READ_WRITE)).as("S.1")
                .isEqualTo(new Translation(Status.SUCCESS, 0, 4096, false, true, true));
        assertThat(port.requestTranslation(0xFEE0_1000L, DmaAccess.READ)).as("S.2").isEqualTo(nothing());
        board.map(table, 4, IOVA, 21, 0xFEE0_0000L & -1L << 21 | 3 | 1 << 7, 3);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ).status()).as("output").isEqualTo(Status.ABORT);
        assertRecord(0x87, SID, -1, true, 1, IOVA);
    }

    @ParameterizedTest
    @CsvSource({"dte, UNSUPPORTED, 0x44", "context, UNSUPPORTED, 0x41", "contextReserved, ABORT, 0x42", "pasidAbsent, SUCCESS, 0",
        "pasidReserved, ABORT, 0x5A", "pasidInvalid, ABORT, 0x5B", "pasids, UNSUPPORTED, 0x45", "reservedLeaf, SUCCESS, 0"})
    void errorsEndAsTable30Says(String what, Status status, String reason) {
        long table = firstStage();
        board.mapFirst(table, 4, IOVA, board.ram.frame());
        long context = board.scalableContextEntry(SID);
        long entry = board.pasidEntry(SID, PASID);
        switch (what) {
            case "dte" -> word(context, word(context) & ~4L);
            case "context" -> word(context, 0);
            case "contextReserved" -> word(context, word(context) | 1 << 7);
            case "pasidAbsent" -> word(entry, 0);
            case "pasidReserved" -> word(entry, word(entry) | 1 << 5);
            case "pasidInvalid" -> word(entry, word(entry) | 7 << 6);
            case "pasids" -> word(context, word(context) & ~8L);
            default -> word(board.leafSlot(table, 4, IOVA, 12), word(board.leafSlot(table, 4, IOVA, 12)) | 1L << 50);
        }
        Translation answer = board.atsPort(SID, PASID).requestTranslation(IOVA, DmaAccess.READ);
        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.read() || answer.write()).isFalse();
        int code = Integer.decode(reason);
        if (code == 0) {
            assertThat(board.read(0x34)).isZero();
        } else {
            assertRecord(code, SID, PASID, true, 1, IOVA);
        }
    }

    @Test
    void legacyModeNeedsTranslationType1() {
        Board legacy = Board.legacy(VtdFeatures.legacy().withDeviceTlb());
        long table = legacy.ram.frame();
        long page = legacy.ram.frame();
        legacy.legacyContext(SID, 7, 4, table);
        legacy.mapSecond(table, 4, IOVA, page, READ | WRITE);
        VtdAtsPort port = legacy.atsPort(SID, Pasid.NONE);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ).status()).isEqualTo(Status.UNSUPPORTED);
        assertThat(legacy.record(0)).as("AT 01, T1, FR").isEqualTo(1L << 63 | 1L << 62 | 1L << 60 | 0xDL << 32 | SID);
        assertThat(port.writeTranslated(page, MemorySegment.ofArray(new byte[4]), 0, 4)).isEqualTo(DmaStatus.FAULTED);
        assertThat(legacy.record(1)).as("AT 10").isEqualTo(1L << 63 | 2L << 60 | 0xDL << 32 | SID);
        legacy.execute(Board.contextInvalidate(1, 0, 0, 0), 0);
        word(legacy.contextEntry(SID), table | 1 << 2 | 1);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE))
                .isEqualTo(new Translation(Status.SUCCESS, page, 4096, true, true, false));
        assertThat(Board.poke(port, IOVA, 5)).as("untranslated requests go on").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void translatedRequestsGoToMemory() {
        allow(board, 0);
        long page = board.ram.frames(2);
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        byte[] bytes = {1, 2, 3, 4, 5, 6, 7, 8};
        assertThat(port.writeTranslated(page + 4092, MemorySegment.ofArray(bytes), 0, 8)).isEqualTo(DmaStatus.DONE);
        byte[] back = new byte[8];
        assertThat(port.readTranslated(page + 4092, MemorySegment.ofArray(back), 0, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(back).isEqualTo(bytes);
        assertThat(port.readTranslated(Ram.HOLE, MemorySegment.ofArray(back), 0, 8)).isEqualTo(DmaStatus.ABORTED);
        assertThat(back).as("zeros").isEqualTo(new byte[8]);
        assertThat(port.writeTranslated(0xFEE0_0000L, MemorySegment.ofArray(bytes), 0, 4)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x87, SID, -1, false, 2, 0xFEE0_0000L);
        assertThat(port.writeTranslated(1L << 46, MemorySegment.ofArray(bytes), 0, 4)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x83, SID, -1, false, 2, 1L << 46);
        long context = board.scalableContextEntry(SID);
        word(context, word(context) & ~4L);
        assertThat(port.writeTranslated(page, MemorySegment.ofArray(bytes), 0, 4)).as("cached").isEqualTo(DmaStatus.DONE);
        board.execute(Board.contextInvalidate(3, 0, SID, 0), 0);
        assertThat(port.writeTranslated(page, MemorySegment.ofArray(bytes), 0, 4)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x44, SID, -1, false, 2, page);
    }

    @Test
    void nothingIsTranslatedWhileTranslationIsOff() {
        Board off = new Board(FEATURES);
        VtdAtsPort port = off.atsPort(SID, Pasid.NONE);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ).status()).isEqualTo(Status.UNSUPPORTED);
        assertThat(port.writeTranslated(Ram.BASE, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(off.read(0x34)).isZero();
    }

    @ParameterizedTest
    @CsvSource({"0x5000, 0x5000, 0x1000", "0x4800, 0x4000, 0x2000", "0x5800, 0x4000, 0x4000", "0x1FF800, 0x0, 0x400000",
        "0x7FFFFFFFFFFFF800, 0, 0"})
    void pitfall3InvalidationsReachTheDeviceWithTheirRange(String second, String iova, String length) {
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        assertThat(board.execute(0x3 | (long) SID << 32, Long.decode(second) & ~0x800L | Long.decode(second) >>> 11 & 1)).as("S is bit 64").isTrue();
        assertThat(board.execute(0x8 | (long) SID << 16 | (long) PASID << 32, Long.decode(second) & ~0x800L
                | (Long.decode(second) & 0x800) | 1)).isTrue();
        assertThat(port.isClosed()).isFalse();
        assertThat(board.device.invalidations.get(0))
                .isEqualTo(new Device.Invalidation(Pasid.NONE, Long.decode(iova), Long.decode(length), false));
        assertThat(board.device.invalidations.get(1))
                .isEqualTo(new Device.Invalidation(PASID, Long.decode(iova), Long.decode(length), true));
    }

    @Test
    void deviceThatDoesNotAnswerStopsTheQueue() {
        board.atsPort(SID, Pasid.NONE);
        board.device.answers = () -> false;
        board.write(0x38, 0);
        board.write(0x3C, 0x41);
        board.write(0x40, 0xFEE0_0000);
        assertThat(board.execute(0x3 | (long) SID << 32, 0)).isFalse();
        assertThat(board.read(0x34)).as("ITE").isEqualTo(1 << 6);
        assertThat(board.readLong(0xB0) >>> 32 & 0xFFFF).as("ITESID").isEqualTo(SID);
        assertThat(board.messages).as("fault event").hasSize(1);
        board.ring();
        assertThat(board.waitCompleted()).as("tail updates do nothing").isFalse();
        board.device.answers = () -> true;
        board.write(0x34, 1 << 6);
        assertThat(board.read(0x34)).isZero();
        assertThat(board.waitCompleted()).as("goes on where the head is").isTrue();
        assertThat(board.device.invalidations).hasSize(1);
        assertThat(board.execute(0x3 | 0x0999L << 32, 0)).as("no such device").isFalse();
        assertThat(board.readLong(0xB0) >>> 32 & 0xFFFF).isEqualTo(0x0999);
    }

    @Test
    void completionThatNobodyWaitsForIsAnError() {
        VtdAtsPort port = board.atsPort(SID, Pasid.NONE);
        port.completeInvalidation();
        board.atsPort(0x0999, Pasid.NONE).completeInvalidation();
        assertThat(board.read(0x34)).as("ICE").isEqualTo(1 << 5);
        assertThat(board.readLong(0xB0) >>> 48).as("ICESID: of the first").isEqualTo(SID);
        assertThat(board.execute(Board.iotlbInvalidate(1, 0), 0)).as("the queue goes on").isTrue();
        board.write(0x34, 1 << 5);
        assertThat(board.read(0x34)).isZero();
    }

    @Test
    void devicesMayUseTheUnitWhileTheyAreAsked() {
        long table = firstStage();
        board.mapFirst(table, 4, IOVA, board.ram.frame());
        VtdAtsPort port = board.atsPort(SID, PASID);
        board.device.answers = () -> {
            board.ring();
            return port.requestTranslation(IOVA, DmaAccess.READ).read() && Board.peek(port, IOVA) == 0;
        };
        assertThat(board.execute(0x8 | (long) SID << 16 | (long) PASID << 32, IOVA)).isTrue();
        assertThat(board.read(0x34)).isZero();
    }

    @Test
    void closedPortsAreNotAsked() {
        VtdAtsPort gone = board.atsPort(SID, Pasid.NONE);
        gone.close(1_000_000_000);
        assertThat(board.execute(0x3 | (long) SID << 32, 0)).isFalse();
        assertThat(board.device.invalidations).isEmpty();
    }

    private void assertRecord(int reason, int sid, int pasid, boolean read, int addressType, long iova) {
        int at = board.read(0x34) >>> 8 & 0xFF;
        assertThat(board.record(at)).isEqualTo(1L << 63 | (read ? 1L << 62 : 0) | (long) addressType << 60 | (long) reason << 32 | sid
                | (pasid < 0 ? 0 : 1L << 31 | (long) pasid << 40));
        assertThat(board.readLong(0x220 + 16 * at)).as("FI").isEqualTo(iova & -4096);
        board.clearRecord(at);
    }
}
