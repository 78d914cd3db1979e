package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.peek;
import static iommu.vtd.unit.Board.poke;
import static iommu.vtd.unit.Board.refusal;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import org.junit.jupiter.api.Test;

/** Supervisor requests and write protection (§3.6.1). */
class PrivilegeTest {
    private static final int SID = 0x0310;
    private static final int PASID = 70;
    private static final long IOVA = 0x12_3456_7000L;
    private static final long SRE = 1;
    private static final long WPE = 1 << 4;

    private final Board board = Board.scalable(VtdFeatures.scalableMode().with(VtdFeature.SUPERVISOR, VtdFeature.RID_PRIVILEGED));
    private final long table = board.ram.frame();

    private void map(int pasid, long flags, long leafBits) {
        board.firstStage(SID, pasid, 7, 4, table);
        word(board.pasidEntry(SID, pasid) + 16, table | flags);
        board.map(table, 4, IOVA, 12, board.ram.frame() | leafBits, 7);
    }

    private VtdPort privileged() {
        return board.unit.openPort(new RequesterId(SID), PASID, true);
    }

    @Test
    void supervisorPagesAreForPrivilegedRequests() {
        map(PASID, SRE, 3);
        assertThat(peek(privileged(), IOVA)).isZero();
        assertThat(poke(privileged(), IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(refusal(board.port(SID, PASID), IOVA, READ)).isEqualTo(0x81);
    }

    @Test
    void privilegedRequestsMustBeEnabled() {
        map(PASID, 0, 3);
        assertThat(refusal(privileged(), IOVA, READ)).isEqualTo(0x5D);
        assertThat(board.record(0)).as("F, T1, PRIV, PP, PV, FR, SID")
                .isEqualTo(1L << 63 | 1L << 62 | 1L << 29 | 1L << 31 | (long) PASID << 40 | 0x5DL << 32 | SID);
        assertThat(board.readLong(0x220)).isEqualTo(IOVA);
    }

    @Test
    void writeProtectionHoldsPrivilegedWrites() {
        map(PASID, SRE, 5);
        assertThat(poke(privileged(), IOVA, 1)).as("WPE 0: any page").isEqualTo(DmaStatus.DONE);
        word(board.pasidEntry(SID, PASID) + 16, table | SRE | WPE);
        board.execute(Board.pasidInvalidate(3, 0, 0), 0);
        board.execute(Board.iotlbInvalidate(1, 0), 0);
        VtdPort port = privileged();
        assertThat(refusal(port, IOVA, WRITE)).isEqualTo(0x85);
        assertThat(peek(port, IOVA)).isEqualTo(1);
        assertThat(refusal(board.port(SID, PASID), IOVA, WRITE)).as("users never").isEqualTo(0x85);
    }

    @Test
    void requestsWithoutPasidTakeTheirPrivilegeFromTheContextEntry() {
        map(0, SRE, 3);
        assertThat(refusal(board.port(SID, Pasid.NONE), IOVA, READ)).isEqualTo(0x81);
        long context = board.scalableContextEntry(SID);
        word(context + 8, word(context + 8) | 1 << 20);
        assertThat(peek(board.port(SID, Pasid.NONE), IOVA)).isZero();
    }

    @Test
    void withoutTheFeatureTheirBitsAreReserved() {
        Board plain = Board.scalable();
        long first = plain.ram.frame();
        plain.firstStage(SID, 0, 7, 4, first);
        word(plain.pasidEntry(SID, 0) + 16, first | SRE);
        assertThat(refusal(plain.port(SID, Pasid.NONE), IOVA, READ)).isEqualTo(0x5A);
        word(plain.scalableContextEntry(SID) + 8, 1 << 20);
        assertThat(refusal(plain.port(SID, Pasid.NONE), IOVA, READ)).as("RID_PRIV").isEqualTo(0x42);
    }
}
