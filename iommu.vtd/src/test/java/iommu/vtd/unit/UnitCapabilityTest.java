package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.iotlbInvalidate;
import static iommu.vtd.unit.Board.peek;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.vtd.Ram;
import iommufd.api.dma.Pasid;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Each capability by itself: its bit is reported if it is there, and what belongs to it is reserved if it is not. */
class UnitCapabilityTest {
    private static final int SID = 0x0310;
    private static final long IOVA = 0x12_3456_7000L;
    private static final VtdFeatures FULL = VtdFeatures.scalableMode().with(VtdFeature.NESTED, VtdFeature.DEVICE_TLB,
            VtdFeature.INTERRUPT_REMAPPING, VtdFeature.EXTENDED_INTERRUPTS, VtdFeature.ENHANCED_SET_INTERRUPT,
            VtdFeature.POSTED_INTERRUPTS, VtdFeature.SUPERVISOR, VtdFeature.RID_PRIVILEGED, VtdFeature.PAGE_REQUESTS,
            VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG, VtdFeature.CACHING_MODE, VtdFeature.PROTECTED_LOW,
            VtdFeature.PROTECTED_HIGH);
    /** Bits by §11.4.2 and §11.4.3; those of the extended register plus 64. */
    private static final Map<VtdFeature, Integer> BITS = new EnumMap<>(Map.ofEntries(Map.entry(VtdFeature.CACHING_MODE, 7),
            Map.entry(VtdFeature.WRITE_BUFFER_FLUSH, 4), Map.entry(VtdFeature.PROTECTED_LOW, 5), Map.entry(VtdFeature.PROTECTED_HIGH, 6),
            Map.entry(VtdFeature.SECOND_STAGE_2M, 34), Map.entry(VtdFeature.SECOND_STAGE_1G, 35), Map.entry(VtdFeature.PAGE_SELECTIVE, 39),
            Map.entry(VtdFeature.DRAINING, 54), Map.entry(VtdFeature.FIRST_STAGE_1G, 56), Map.entry(VtdFeature.POSTED_INTERRUPTS, 59),
            Map.entry(VtdFeature.FIRST_STAGE_5_LEVELS, 60), Map.entry(VtdFeature.ENHANCED_SET_INTERRUPT, 62),
            Map.entry(VtdFeature.ENHANCED_SET_ROOT, 63), Map.entry(VtdFeature.QUEUED_INVALIDATION, 65), Map.entry(VtdFeature.DEVICE_TLB, 66),
            Map.entry(VtdFeature.INTERRUPT_REMAPPING, 67), Map.entry(VtdFeature.EXTENDED_INTERRUPTS, 68),
            Map.entry(VtdFeature.PASS_THROUGH, 70), Map.entry(VtdFeature.SNOOP_CONTROL, 71), Map.entry(VtdFeature.NESTED, 90),
            Map.entry(VtdFeature.PAGE_REQUESTS, 93), Map.entry(VtdFeature.SUPERVISOR, 95), Map.entry(VtdFeature.NO_WRITE_FLAG, 97),
            Map.entry(VtdFeature.EXTENDED_ACCESSED, 98), Map.entry(VtdFeature.PASID, 104), Map.entry(VtdFeature.PAGE_REQUEST_DRAIN, 106),
            Map.entry(VtdFeature.SCALABLE_MODE, 107), Map.entry(VtdFeature.SECOND_STAGE_DIRTY, 109), Map.entry(VtdFeature.SECOND_STAGE, 110),
            Map.entry(VtdFeature.FIRST_STAGE, 111), Map.entry(VtdFeature.SCALABLE_COHERENT, 112), Map.entry(VtdFeature.RID_PASID, 113),
            Map.entry(VtdFeature.ABORT_DMA, 116), Map.entry(VtdFeature.RID_PRIVILEGED, 117)));

    private static boolean reported(VtdFeatures features, int bit) {
        VtdUnit unit = new VtdUnit("bare", features, entry -> { }, (address, data) -> { });
        return (bit < 64 ? unit.read(8, 8) >>> bit & 1 : unit.read(16, 8) >>> bit - 64 & 1) != 0;
    }

    @ParameterizedTest
    @EnumSource(VtdFeature.class)
    void isReportedExactlyIfItIsThere(VtdFeature feature) {
        if (feature == VtdFeature.DMA_TRANSLATION) {
            assertThat(FULL.capability() >>> 8 & 0x1F).as("SAGAW").isEqualTo(0xE);
            VtdFeatures none = new VtdFeatures(Set.of(VtdFeature.QUEUED_INVALIDATION), 48, 20, 1, 16, 18);
            assertThat(none.capability() >>> 8 & 0x1F).isZero();
            return;
        }
        VtdFeatures with = feature == VtdFeature.WRITE_BUFFER_FLUSH ? VtdFeatures.legacy().with(feature) : FULL;
        assertThat(reported(with, BITS.get(feature))).isTrue();
        VtdFeatures without = removed(with, feature);   // and what needs it
        assertThat(reported(without, BITS.get(feature))).isFalse();
    }

    private static VtdFeatures removed(VtdFeatures features, VtdFeature gone) {
        Set<VtdFeature> left = EnumSet.copyOf(features.features());
        left.remove(gone);
        boolean changed = true;
        while (changed) {
            changed = left.removeIf(each -> Arrays.stream(each.needed()).anyMatch(needed -> !left.contains(needed)));
            if (left.contains(VtdFeature.SCALABLE_MODE) && !left.contains(VtdFeature.FIRST_STAGE) && !left.contains(VtdFeature.SECOND_STAGE)) {
                changed |= left.remove(VtdFeature.SCALABLE_MODE);
            }
        }
        return new VtdFeatures(left, features.addressBits(), features.pasidBits(), features.faultRecords(), features.domainBits(),
                features.maxAddressMask());
    }

    @Test
    void refusesWhatNoUnitCombines() {
        assertThatThrownBy(() -> VtdFeatures.legacy().with(VtdFeature.NESTED)).hasMessageContaining("NESTED needs");
        assertThatThrownBy(() -> VtdFeatures.legacy().with(VtdFeature.POSTED_INTERRUPTS)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> VtdFeatures.scalableMode().with(VtdFeature.WRITE_BUFFER_FLUSH)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> VtdFeatures.legacy().withDomainBits(7)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> VtdFeatures.legacy().withAddressBits(64)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> VtdFeatures.legacy().withMaxAddressMask(37)).isInstanceOf(IllegalArgumentException.class);
    }

    private static Board scalable(VtdFeature... lacking) {
        return Board.scalable(VtdFeatures.scalableMode().without(lacking));
    }

    private static long firstStage(Board board) {
        long table = board.ram.frame();
        board.firstStage(SID, 0, 7, 4, table);
        board.mapFirst(table, 4, IOVA, board.ram.frame());
        return table;
    }

    private static long secondStage(Board board, long flags) {
        long table = board.ram.frame();
        board.secondStage(SID, 0, 7, 4, table, flags);
        board.mapSecond(table, 4, IOVA, board.ram.frame(), READ | WRITE);
        return table;
    }

    @Test
    void pitfall10SnoopIsReservedWithoutSnoopControl() {
        Board legacy = Board.legacy(VtdFeatures.legacy().without(VtdFeature.SNOOP_CONTROL));
        long table = legacy.ram.frame();
        legacy.legacyContext(SID, 7, 4, table);
        legacy.mapSecond(table, 4, IOVA, legacy.ram.frame(), 3 | 1 << 11);
        assertThat(refusal(legacy.port(), IOVA, READ)).isEqualTo(0x0C);
        Board board = scalable(VtdFeature.SNOOP_CONTROL);
        long second = secondStage(board, 0);
        word(board.leafSlot(second, 4, IOVA, 12), word(board.leafSlot(second, 4, IOVA, 12)) | 1 << 11);
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x7A);
        word(board.pasidEntry(SID, 0) + 8, word(board.pasidEntry(SID, 0) + 8) | 1 << 24);
        assertThat(refusal(board.port(), IOVA, READ)).as("PGSNP").isEqualTo(0x5A);
    }

    @Test
    void pitfall10BitOfTheTransientMappingIsReserved() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(SID, 7, 4, table);
        board.mapSecond(table, 4, IOVA, board.ram.frame(), 3);
        word(board.leafSlot(table, 4, IOVA, 12), word(board.leafSlot(table, 4, IOVA, 12)) | 1L << 62);
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x0C);
    }

    @ParameterizedTest
    @CsvSource({"PASS_THROUGH, 0x5B", "EXTENDED_ACCESSED, 0x5A", "SECOND_STAGE_DIRTY, 0x5A", "RID_PASID, 0x42", "FIRST_STAGE_5_LEVELS, 0x5B"})
    void scalableModeStructuresReserveWhatIsLacking(VtdFeature lacking, String reason) {
        Board board = scalable(lacking);
        long table = firstStage(board);
        long entry = board.pasidEntry(SID, 0);
        switch (lacking) {
            case PASS_THROUGH -> word(entry, 1 | 4 << 6);
            case EXTENDED_ACCESSED -> word(entry + 16, table | 1 << 7);
            case SECOND_STAGE_DIRTY -> word(entry, table | 2 << 2 | 2 << 6 | Board.SSADE | 1);
            case RID_PASID -> word(board.scalableContextEntry(SID) + 8, 1);
            default -> word(entry + 16, table | 1 << 2);
        }
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(Integer.decode(reason));
    }

    @Test
    void stagesThatAreLacking() {
        Board first = Board.scalable(removed(VtdFeatures.scalableMode(), VtdFeature.SECOND_STAGE));
        secondStage(first, 0);
        assertThat(refusal(first.port(), IOVA, READ)).as("SSPTPTR").isEqualTo(0x5A);
        word(first.pasidEntry(SID, 0), 1 | 2 << 6);
        assertThat(refusal(first.port(), IOVA, READ)).as("PGTT").isEqualTo(0x5B);
        Board second = Board.scalable(removed(VtdFeatures.scalableMode(), VtdFeature.FIRST_STAGE));
        firstStage(second);
        assertThat(refusal(second.port(), IOVA, READ)).as("FSPTPTR").isEqualTo(0x5A);
        word(second.pasidEntry(SID, 0) + 16, 0);
        assertThat(refusal(second.port(), IOVA, READ)).isEqualTo(0x5B);
    }

    @Test
    void pasidsThatAreLacking() {
        Board board = scalable(VtdFeature.PASID);
        firstStage(board);
        assertThat(refusal(board.port(), IOVA, READ)).as("PASIDE").isEqualTo(0x42);
        word(board.scalableContextEntry(SID), word(board.scalableContextEntry(SID)) & ~8L);
        assertThat(peek(board.port(), IOVA)).isZero();
        assertThat(refusal(board.port(SID, 5), IOVA, READ)).isEqualTo(0x45);
    }

    @Test
    void walksThatDoNotSnoopMarkNothing() {
        Board board = Board.scalable(removed(VtdFeatures.scalableMode(), VtdFeature.SCALABLE_COHERENT));
        long table = firstStage(board);
        assertThat(refusal(board.port(), IOVA, READ)).as("PWSNP").isEqualTo(0x5A);
        word(board.pasidEntry(SID, 0) + 8, 7);
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x90);
        for (int shift = 39; shift > 12; shift -= 9) {
            long slot = board.leafSlot(table, 4, IOVA, shift);
            word(slot, word(slot) | 1 << 5);
        }
        long leaf = board.leafSlot(table, 4, IOVA, 12);
        word(leaf, word(leaf) | 3 << 5);
        assertThat(peek(board.port(), IOVA)).as("set beforehand").isZero();
    }

    @Test
    void domainIdsHaveTheirWidth() {
        Board legacy = Board.legacy(VtdFeatures.legacy().withDomainBits(8));
        assertThat(legacy.readLong(8) & 7).as("ND").isEqualTo(2);
        long table = legacy.ram.frame();
        legacy.legacyContext(SID, 0x100, 4, table);
        assertThat(refusal(legacy.port(), IOVA, READ)).isEqualTo(0x0B);
        legacy.legacyContext(SID, 0xFF, 4, table);
        legacy.mapSecond(table, 4, IOVA, legacy.ram.frame(), READ);
        VtdPort port = legacy.port();
        assertThat(peek(port, IOVA)).isZero();
        word(legacy.leafSlot(table, 4, IOVA, 12), 0);
        assertThat(legacy.execute(iotlbInvalidate(2, 0x1FF), 0)).as("bits beyond are ignored").isTrue();
        assertThat(peek(port, IOVA)).isEqualTo(-1);
        Board board = Board.scalable(VtdFeatures.scalableMode().withDomainBits(8));
        firstStage(board);
        word(board.pasidEntry(SID, 0) + 8, 0x107 | Board.PWSNP);
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x5A);
    }

    @Test
    void pageSelectiveInvalidationThatIsLacking() {
        Board board = Board.legacy(VtdFeatures.legacy().without(VtdFeature.PAGE_SELECTIVE));
        assertThat(board.readLong(8) >>> 48 & 0x3F).as("MAMV").isZero();
        board.writeLong(0xF8, 1L << 63 | 3L << 60);
        assertThat(board.readLong(0xF8) >>> 57 & 3).as("IAIG").isZero();
        assertThat(board.execute(iotlbInvalidate(3, 7), IOVA)).isFalse();
        assertThat(board.readLong(0xB0) & 15).isEqualTo(4);
    }

    @Test
    void abortDmaModeThatIsLacking() {
        Board board = new Board(VtdFeatures.legacy().without(VtdFeature.ABORT_DMA));
        board.setRoot(3);
        board.command(31, true);
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x30);
        board.openQueue(true);
        assertThat(board.execute(iotlbInvalidate(1, 0), 0)).isFalse();
        assertThat(board.readLong(0xB0) & 15).isEqualTo(7);
        board.setRoot(0);
        board.write(0x34, 1 << 4);
        assertThat(board.readLong(0xB0) & 15).as("no unit without scalable or abort-DMA mode has wide descriptors").isEqualTo(5);
    }

    @Test
    void queueThatIsLacking() {
        Board board = new Board(VtdFeatures.legacy().without(VtdFeature.QUEUED_INVALIDATION, VtdFeature.ABORT_DMA));
        board.writeLong(0x90, Ram.BASE);
        assertThat(board.readLong(0x90)).isZero();
        board.command(26, true);
        assertThat(board.read(0x1C) & 1 << 26).as("QIES").isZero();
        board.write(0xA0, 0);
        assertThat(board.read(0xA0)).as("IECTL").isZero();
    }

    /** Pitfall 8, the other way: without ESRTPS the caches stay until software invalidates them (§6.6). */
    @Test
    void pitfall8WithoutEnhancedSetRootCachesStay() {
        Board board = Board.legacy(VtdFeatures.legacy().without(VtdFeature.ENHANCED_SET_ROOT));
        long table = board.ram.frame();
        board.legacyContext(SID, 7, 4, table);
        board.mapSecond(table, 4, IOVA, board.ram.frame(), READ);
        VtdPort port = board.port();
        assertThat(peek(port, IOVA)).isZero();
        board.writeLong(0x20, board.ram.frame());
        board.command(30, true);
        assertThat(peek(port, IOVA)).isZero();
        board.execute(Board.contextInvalidate(1, 0, 0, 0), 0);
        board.execute(iotlbInvalidate(1, 0), 0);
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x01);
    }

    @Test
    void writeBufferFlushIsAHandshake() {
        Board board = new Board(VtdFeatures.legacy().with(VtdFeature.WRITE_BUFFER_FLUSH));
        board.write(0x18, 1 << 27);
        assertThat(board.read(0x1C) & 1 << 27).as("WBFS: done").isZero();
    }

    @Test
    void addressWidthLimitsTheLevels() {
        Board board = Board.legacy(VtdFeatures.legacy().withAddressBits(39));
        assertThat(board.readLong(8) >>> 8 & 31).isEqualTo(2);
        board.legacyContext(SID, 7, 4, board.ram.frame());
        assertThat(refusal(board.port(), IOVA, READ)).isEqualTo(0x03);
        board.legacyContext(SID, 7, 3, board.ram.frame());
        assertThat(refusal(board.port(SID, Pasid.NONE), 1L << 39, READ)).isEqualTo(0x04);
    }
}
