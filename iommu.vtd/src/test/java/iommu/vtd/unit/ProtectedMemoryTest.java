package iommu.vtd.unit;

import static iommu.vtd.unit.Board.poke;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.MemoryMap;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Protected memory regions (§11.4.8): no DMA, translated or not, and no fault record. */
class ProtectedMemoryTest {
    private static final long BOTH_MIB = 2 << 20;

    @Test
    void highRegionIsOutOfReach() {
        Board board = new Board(VtdFeatures.legacy().with(VtdFeature.PROTECTED_HIGH));
        VtdPort port = board.port(0x0310, Pasid.NONE);
        long start = Ram.BASE + 64 * BOTH_MIB;
        assertThat(poke(port, start, 1)).isEqualTo(DmaStatus.DONE);
        board.writeLong(0x70, start | 0x1F_FFFF);
        board.writeLong(0x78, start + BOTH_MIB);
        assertThat(board.readLong(0x70)).as("N").isEqualTo(start);
        board.write(0x64, 1 << 31);
        assertThat(board.read(0x64)).as("EPM, PRS").isEqualTo(1 << 31 | 1);
        assertThat(poke(port, start, 1)).as("cached before").isEqualTo(DmaStatus.ABORTED);
        assertThat(poke(port, start + 2 * BOTH_MIB - 1, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(poke(port, start - 1, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(poke(port, start + 2 * BOTH_MIB, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
        assertThat(board.read(0x34)).as("not recorded").isZero();
        board.write(0x64, 0);
        assertThat(board.read(0x64)).isZero();
        assertThat(poke(port, start, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void translatedRequestsDoNotReachItEither() {
        Board board = Board.legacy(VtdFeatures.legacy().with(VtdFeature.PROTECTED_HIGH));
        long table = board.ram.frame();
        long page = Ram.BASE + 64 * BOTH_MIB;
        board.legacyContext(0x0310, 7, 4, table);
        board.mapSecond(table, 4, 0x5000, page, 3);
        VtdPort port = board.port(0x0310, Pasid.NONE);
        assertThat(poke(port, 0x5000, 1)).isEqualTo(DmaStatus.DONE);
        board.writeLong(0x70, page);
        board.writeLong(0x78, page);
        board.write(0x64, 1 << 31);
        assertThat(poke(port, 0x5000, 1)).isEqualTo(DmaStatus.ABORTED);
        board.writeLong(0x78, page - BOTH_MIB);
        board.write(0x64, 0);
        board.write(0x64, 1 << 31);
        assertThat(poke(port, 0x5000, 1)).as("a limit below the base: no region").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void lowRegionOfAGuest() {
        Ram ram = new Ram();
        MemoryMap map = MemoryMap.of(List.of(new MemoryMap.Range(0, 8 << 20, ram.frames(8 << 8))));
        VtdUnit unit = new VtdUnit("v", VtdFeatures.legacy().with(VtdFeature.PROTECTED_LOW), map, entry -> { }, (address, data) -> { },
                Optional.empty(), 1_000_000_000);
        VtdPort port = unit.openPort(iommufd.api.dma.RequesterId.of(0, 1, 0, 0), Pasid.NONE);
        unit.write(0x68, 4, BOTH_MIB);
        unit.write(0x6C, 4, BOTH_MIB);
        unit.write(0x64, 4, 1L << 31);
        assertThat(poke(port, BOTH_MIB, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(poke(port, BOTH_MIB - 1, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(poke(port, 2 * BOTH_MIB, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void withoutTheFeatureRegistersAreReadOnly() {
        Board board = new Board(VtdFeatures.legacy());
        for (int register : new int[] {0x64, 0x68, 0x6C, 0x70, 0x78}) {
            board.write(register, -1);
            assertThat(board.read(register)).isZero();
        }
    }
}
