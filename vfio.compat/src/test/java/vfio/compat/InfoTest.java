package vfio.compat;

import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_GET_INFO;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.node.OpenNode;
import iommufd.api.uapi.VfioInfoCapHeader;
import iommufd.api.uapi.VfioIommuType1Info;
import iommufd.api.uapi.VfioIommuType1InfoCapIovaRange;
import iommufd.api.uapi.VfioIommuType1InfoCapMigration;
import iommufd.api.uapi.VfioIommuType1InfoDmaAvail;
import iommufd.api.uapi.VfioIovaRange;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** VFIO_IOMMU_GET_INFO. */
class InfoTest {
    private static final int RANGES = 2;   // below and above the interrupt addresses
    private static final int ALL = 24 + 32 + 16 + 16 + RANGES * 16;
    private final Rig rig = new Rig();

    @AfterEach
    void close() {
        rig.close();
    }

    private String info(OpenNode container, int argsz) {
        rig.client.at(TestClient.STRUCT, 256).fill((byte) 0x55);
        rig.client.at(TestClient.STRUCT, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        return rig.client.ioctl(container, VFIO_IOMMU_GET_INFO, TestClient.STRUCT);
    }

    private List<MemorySegment> chain() {
        MemorySegment struct = rig.client.at(TestClient.STRUCT, 256);
        List<MemorySegment> chain = new ArrayList<>();
        for (int offset = VfioIommuType1Info.capOffset(struct); offset != 0; offset = VfioInfoCapHeader.next(chain.getLast())) {
            chain.add(struct.asSlice(offset));
        }
        return chain;
    }

    @Test
    void capabilitiesComeAllOrNone() {
        OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
        MemorySegment struct = rig.client.at(TestClient.STRUCT, 256);
        assertThat(info(container, 15)).isEqualTo("EINVAL");
        for (int room = 16; room < ALL + 8; room++) {
            assertThat(info(container, room)).isEqualTo("0");
            assertThat(VfioIommuType1Info.argsz(struct)).as("argsz for room of %d", room).isEqualTo(Math.max(room, ALL));
            assertThat(VfioIommuType1Info.flags(struct)).isEqualTo(3);
            if (room >= 20) {
                assertThat(VfioIommuType1Info.capOffset(struct)).as("room of %d", room).isEqualTo(room >= ALL ? 24 : 0);
            }
            for (int beyond = room >= ALL ? ALL : Math.min(room, 24); beyond < 256; beyond++) {
                assertThat(struct.get(ValueLayout.JAVA_BYTE, beyond)).as("byte %d, room of %d", beyond, room).isEqualTo((byte) 0x55);
            }
        }
    }

    @Test
    void capabilitiesTellWhatHolds() {
        OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
        rig.map(container, Rig.READ_WRITE, 0, TestClient.BUFFER, Rig.PAGE);
        assertThat(info(container, 256)).isEqualTo("0");
        assertThat(VfioIommuType1Info.iovaPgsizes(rig.client.at(TestClient.STRUCT, 256))).isEqualTo(1L << 12 | 1L << 21 | 1L << 30);
        List<MemorySegment> chain = chain();
        assertThat(chain).extracting(VfioInfoCapHeader::id).containsExactly((short) 2, (short) 3, (short) 1);
        assertThat(chain).extracting(VfioInfoCapHeader::version).containsOnly((short) 1);
        assertThat(VfioIommuType1InfoCapMigration.pgsizeBitmap(chain.get(0))).isEqualTo(Rig.PAGE);
        assertThat(VfioIommuType1InfoCapMigration.maxDirtyBitmapSize(chain.get(0))).isEqualTo(1L << 28);
        assertThat(VfioIommuType1InfoDmaAvail.avail(chain.get(1))).isEqualTo(65534);
        assertThat(VfioIommuType1InfoCapIovaRange.nrIovas(chain.get(2))).isEqualTo(RANGES);
        MemorySegment low = chain.get(2).asSlice(16);
        assertThat(VfioIovaRange.start(low)).isZero();
        assertThat(VfioIovaRange.end(low)).isEqualTo(0xFEDF_FFFFL);
        assertThat(VfioIovaRange.start(low.asSlice(16))).isEqualTo(0xFEF0_0000L);
    }

    @Test
    void withoutAnIommuThereAreNoRanges() {
        OpenNode container = rig.container(Rig.TYPE1V2, rig.emulatedGroup(1));
        assertThat(info(container, 256)).isEqualTo("0");
        assertThat(VfioIommuType1Info.iovaPgsizes(rig.client.at(TestClient.STRUCT, 256))).isEqualTo(-Rig.PAGE);
        assertThat(chain()).extracting(VfioInfoCapHeader::id).containsExactly((short) 2, (short) 3);
    }
}
