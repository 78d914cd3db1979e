package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.contextInvalidate;
import static iommu.vtd.unit.Board.iotlbInvalidate;
import static iommu.vtd.unit.Board.pasidInvalidate;
import static iommu.vtd.unit.Board.peek;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** CM = 1 (§6.1): what was absent or wrong stays so until it is invalidated; CM = 0: it does not. */
class CachingModeTest {
    private static final int SID = 0x0310;
    private static final int PASID = 70;
    private static final int DID = 7;
    private static final long IOVA = 0x12_3456_7000L;

    private static Board legacy(boolean caching) {
        return Board.legacy(caching ? VtdFeatures.legacy().with(VtdFeature.CACHING_MODE) : VtdFeatures.legacy());
    }

    private static Board scalable(boolean caching) {
        return Board.scalable(caching ? VtdFeatures.scalableMode().with(VtdFeature.CACHING_MODE) : VtdFeatures.scalableMode());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void pitfall13NewMappingsMustBeInvalidatedInCachingModeOnly(boolean caching) {
        Board board = legacy(caching);
        assertThat(board.readLong(8) >>> 7 & 1).as("CM").isEqualTo(caching ? 1 : 0);
        long table = board.ram.frame();
        board.legacyContext(SID, DID, 4, table);
        VtdPort port = board.port();
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x06);
        board.mapSecond(table, 4, IOVA, board.ram.frame(), READ | WRITE);
        assertThat(peek(port, IOVA)).isEqualTo(caching ? -1 : 0);
        if (caching) {
            board.execute(iotlbInvalidate(3, DID), IOVA + 4096);
            assertThat(peek(port, IOVA)).as("another page").isEqualTo(-1);
            board.execute(iotlbInvalidate(3, DID + 1), IOVA);
            assertThat(peek(port, IOVA)).as("another domain").isEqualTo(-1);
            board.execute(iotlbInvalidate(3, DID), IOVA);
            assertThat(peek(port, IOVA)).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 0, true", "2, 0, true", "2, 7, false", "3, 0, true", "3, 7, false"})
    void absentContextEntriesAreTaggedWithDomain0(int granularity, int did, boolean dropped) {
        Board board = legacy(true);
        VtdPort port = board.port();
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x01);
        long table = board.ram.frame();
        board.mapSecond(table, 4, IOVA, board.ram.frame(), READ);
        board.legacyContext(SID, DID, 4, table);
        assertThat(refusal(port, IOVA, READ)).as("cached").isEqualTo(0x01);
        board.execute(contextInvalidate(granularity, did, SID, 0), 0);
        assertThat(peek(port, IOVA)).isEqualTo(dropped ? 0 : -1);
    }

    @Test
    void absentPasidEntriesAreCached() {
        Board board = scalable(true);
        long entry = board.pasidEntry(SID, PASID);
        VtdPort port = board.port(SID, PASID);
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x59);
        long table = board.ram.frame();
        board.mapFirst(table, 4, IOVA, board.ram.frame());
        board.firstStage(SID, PASID, DID, 4, table);
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x59);
        board.execute(pasidInvalidate(0, DID, 0), 0);
        assertThat(refusal(port, IOVA, READ)).as("another domain").isEqualTo(0x59);
        board.execute(pasidInvalidate(1, 0, PASID), 0);
        assertThat(peek(port, IOVA)).isZero();
        assertThat(word(entry) & 1).isEqualTo(1);
    }

    @Test
    void firstStagesAreNeverCachedWhenTheyFault() {
        Board board = scalable(true);
        long table = board.ram.frame();
        board.firstStage(SID, PASID, DID, 4, table);
        VtdPort port = board.port(SID, PASID);
        assertThat(refusal(port, IOVA, READ)).isEqualTo(0x71);
        board.mapFirst(table, 4, IOVA, board.ram.frame());
        assertThat(peek(port, IOVA)).isZero();
    }
}
