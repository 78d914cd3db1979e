package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.peek;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The page request queue and its answers (§7.4 to §7.6). */
class PageRequestTest {
    private static final int SID = 0x0310;
    private static final int PASID = 70;
    private static final long IOVA = 0x12_3456_7000L;
    private static final VtdFeatures FEATURES = VtdFeatures.scalableMode().withNested()
            .with(VtdFeature.DEVICE_TLB, VtdFeature.PAGE_REQUESTS, VtdFeature.PAGE_REQUEST_DRAIN);

    private final Board board = Board.scalable(FEATURES);
    private final long queue = board.ram.frame();
    private final long table = board.ram.frame();
    private final VtdAtsPort port = board.atsPort(SID, PASID);

    PageRequestTest() {
        board.firstStage(SID, PASID, 7, 4, table);
        word(board.scalableContextEntry(SID), word(board.scalableContextEntry(SID)) | 1 << 2 | 1 << 4);
        board.writeLong(0xD0, queue);
        board.write(0xE4, 0x51);
        board.write(0xE8, 0xFEE0_1000);
        board.write(0xE0, 0);
    }

    private static PageRequest request(int group, DmaAccess access, boolean last) {
        return new PageRequest(PASID, group, IOVA, access, false, false, last);
    }

    @Test
    void requestsBecomeDescriptors() {
        assertThat(port.requestPage(new PageRequest(PASID, 0x1AB, IOVA, DmaAccess.READ, true, true, false))).isTrue();
        assertThat(word(queue)).as("type, PP, RID, PASID, EXR, PMR").isEqualTo(1 | 1 << 8 | (long) SID << 16 | (long) PASID << 32 | 1L << 52 | 1L << 53);
        assertThat(word(queue + 8)).as("R, PRGI, address").isEqualTo(IOVA | 0x1ABL << 3 | 1);
        assertThat(word(queue + 16) | word(queue + 24)).isZero();
        assertThat(board.readLong(0xC8)).as("PQT").isEqualTo(32);
        assertThat(board.read(0xDC)).as("PPR").isEqualTo(1);
        assertThat(board.messages).containsExactly(0xFFFF_FFFF_FEE0_1000L << 16 & 0xFFFF_FFFF_FFFFL | 0x51);
        assertThat(port.requestPage(request(2, DmaAccess.WRITE, true))).isTrue();
        assertThat(word(queue + 40)).as("W, LPIG").isEqualTo(IOVA | 2 << 3 | 4 | 2);
        assertThat(board.messages).as("PPR was set already").hasSize(1);
        board.write(0xDC, 1);
        assertThat(board.read(0xDC)).isZero();
        port.requestPage(request(3, DmaAccess.READ_WRITE, true));
        assertThat(board.messages).hasSize(2);
        assertThat(board.device.responses).as("nobody has answered").isEmpty();
    }

    @Test
    void requestsWithoutPasid() {
        board.firstStage(SID, 0, 7, 4, table);
        VtdAtsPort without = board.atsPort(SID, Pasid.NONE);
        assertThat(without.requestPage(new PageRequest(Pasid.NONE, 1, IOVA, DmaAccess.READ, false, false, true))).isTrue();
        assertThat(word(queue)).isEqualTo(1 | (long) SID << 16);
    }

    @Test
    void maskedEventIsPending() {
        board.write(0xE0, 1 << 31);
        port.requestPage(request(1, DmaAccess.READ, true));
        assertThat(board.messages).isEmpty();
        assertThat(board.read(0xE0) >>> 30 & 1).as("IP").isEqualTo(1);
        board.write(0xE0, 0);
        assertThat(board.messages).hasSize(1);
        board.write(0xE0, 1 << 31);
        board.write(0xDC, 1);
        port.requestPage(request(1, DmaAccess.READ, true));
        board.write(0xDC, 1);
        assertThat(board.read(0xE0) >>> 30 & 1).as("serviced").isZero();
    }

    @Test
    void fullQueueOverflowsAndAnswersByItself() {
        for (int i = 0; i < 127; i++) {
            assertThat(port.requestPage(request(i, DmaAccess.READ, true))).isTrue();
        }
        assertThat(board.device.responses).isEmpty();
        assertThat(port.requestPage(request(200, DmaAccess.READ, false))).as("dropped").isFalse();
        assertThat(board.read(0xDC)).as("PRO, PPR").isEqualTo(3);
        assertThat(port.requestPage(request(201, DmaAccess.READ, true))).isTrue();
        assertThat(board.device.responses).containsExactly(new PageResponse(PASID, 201, FaultResponse.SUCCESS));
        board.writeLong(0xC0, 64);
        assertThat(port.requestPage(request(202, DmaAccess.READ, true))).as("until software clears PRO").isTrue();
        assertThat(board.device.responses).hasSize(2);
        assertThat(board.readLong(0xC8)).isEqualTo(127 * 32);
        board.write(0xDC, 2);
        assertThat(port.requestPage(request(203, DmaAccess.READ, true))).isTrue();
        assertThat(board.readLong(0xC8)).as("wraps").isZero();
        assertThat(board.device.responses).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource({"0x47, 0x10", "0x44, 0", "0x45, 0x8", "0x41, 0x1", "0x59, 0", "0x48, 0", "0x46, 0"})
    void tablesThatForbidItAreRecordedAndAnswered(String reason, String contextBit) {
        int code = Integer.decode(reason);
        long context = board.scalableContextEntry(SID);
        VtdAtsPort asking = port;
        int pasid = PASID;
        switch (code) {
            case 0x59 -> word(board.pasidEntry(SID, PASID), 0);
            case 0x44 -> {
                word(context, word(context) & ~0x4L);   // DTE 0 with PRE 1 is wrong
                code = 0x43;
            }
            case 0x48 -> word(context + 8, PASID);
            case 0x46 -> {
                pasid = 1 << 13;
                asking = board.atsPort(SID, pasid);
            }
            default -> word(context, word(context) & ~Long.decode(contextBit));
        }
        PageRequest last = new PageRequest(pasid, 5, IOVA, DmaAccess.WRITE, false, false, true);
        assertThat(asking.requestPage(new PageRequest(pasid, 5, IOVA, DmaAccess.WRITE, false, false, false))).as("dropped").isFalse();
        assertThat(asking.requestPage(last)).isTrue();
        assertThat(board.device.responses).containsExactly(new PageResponse(pasid, 5, FaultResponse.INVALID));
        assertThat(board.record(1)).as("F, T2 without T1: page request, PASID, FR, SID")
                .isEqualTo(1L << 63 | 1L << 28 | 1L << 31 | (long) pasid << 40 | (long) code << 32 | SID);
        assertThat(board.readLong(0x230)).as("FI").isEqualTo(IOVA);
        assertThat(board.readLong(0xC8)).as("the queue is as it was").isZero();
    }

    @Test
    void legacyModeTakesNone() {
        Board legacy = Board.legacy(FEATURES);
        VtdAtsPort asking = legacy.atsPort(SID, Pasid.NONE);
        assertThat(asking.requestPage(new PageRequest(Pasid.NONE, 5, IOVA, DmaAccess.WRITE, false, false, true))).isTrue();
        assertThat(legacy.device.responses).containsExactly(new PageResponse(Pasid.NONE, 5, FaultResponse.INVALID));
        assertThat(legacy.record(0)).isEqualTo(1L << 63 | 1L << 28 | 0x32L << 32 | SID);
    }

    @Test
    void unitsWithoutPageRequestsDoNotTakeThem() {
        Board plain = Board.scalable(VtdFeatures.scalableMode().withDeviceTlb());
        assertThat(plain.atsPort(SID, PASID).requestPage(request(1, DmaAccess.READ, true))).isFalse();
        plain.writeLong(0xD0, queue);
        assertThat(plain.readLong(0xD0)).as("PQA is reserved").isZero();
        assertThat(plain.device.responses).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"0, SUCCESS", "1, INVALID", "15, INVALID"})
    void responsesReachTheDevice(int code, FaultResponse response) {
        assertThat(board.execute(0x9 | 1 << 4 | (long) code << 12 | (long) SID << 16 | (long) PASID << 32, 0x1ABL << 3 | 1 << 2))
                .isTrue();
        assertThat(board.execute(0x9 | (long) code << 12 | (long) SID << 16, 3 << 3)).isTrue();
        assertThat(board.device.responses).containsExactly(new PageResponse(PASID, 0x1AB, response), new PageResponse(Pasid.NONE, 3, response));
        assertThat(board.execute(0x9 | 0x999L << 16, 0)).as("a device that is gone").isTrue();
        assertThat(board.execute(0x9 | (long) SID << 16, 1)).as("reserved").isFalse();
        assertThat(board.readLong(0xB0) & 15).isEqualTo(4);
    }

    @Test
    void waitCanDrainRequests() {
        port.requestPage(request(1, DmaAccess.READ, true));
        board.post(0x5 | 1 << 5 | 1 << 7 | 0x77L << 32, board.statusAddress());
        board.ring();
        assertThat((int) word(board.statusAddress())).isEqualTo(0x77);
    }

    /** §6.5.3.1, Table 27. */
    @ParameterizedTest
    @CsvSource({"1", "2", "3"})
    void requestDropsTheTranslationItIsAbout(int type) {
        long old = board.ram.frame();
        long present = board.ram.frame();
        Ram.bytes(old, 1).fill((byte) 1);
        Ram.bytes(present, 1).fill((byte) 2);
        long second = board.ram.frame();
        switch (type) {
            case 1 -> board.mapFirst(table, 4, IOVA, old);
            case 2 -> {
                board.secondStage(SID, PASID, 7, 4, second, 0);
                board.mapSecond(second, 4, IOVA, old, 3);
            }
            default -> {
                board.mapFirst(table, 4, IOVA, old);
                board.map(second, 4, Ram.BASE, 30, Ram.BASE | 3 | 1 << 7, 3);
                board.nested(SID, PASID, 7, 4, table, 4, second, 0);
            }
        }
        VtdPort plain = board.port(SID, PASID);
        assertThat(peek(plain, IOVA)).isEqualTo(1);
        word(board.leafSlot(type == 2 ? second : table, 4, IOVA, 12), present | 7);
        assertThat(peek(plain, IOVA)).as("cached").isEqualTo(1);
        port.requestPage(request(1, DmaAccess.READ, true));
        assertThat(peek(plain, IOVA)).isEqualTo(2);
    }

    @Test
    void queueWithoutMemoryOverflows() {
        board.writeLong(0xD0, Ram.HOLE);
        assertThat(port.requestPage(request(7, DmaAccess.READ, true))).isTrue();
        assertThat(board.read(0xDC)).as("PRO").isEqualTo(2);
        assertThat(board.device.responses).containsExactly(new PageResponse(PASID, 7, FaultResponse.SUCCESS));
    }
}
