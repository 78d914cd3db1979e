package iommufd.core.node;

import static iommufd.core.node.Client.BUFFER;
import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Ioas;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.uapi.VfioIommuType1DmaMap;
import iommufd.api.uapi.VfioIommuType1DmaUnmap;
import iommufd.api.uapi.VfioIommuType1Info;
import iommufd.api.uapi.VfioRequest;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A VFIO container's requests on /dev/iommu; the first five tests are what Linux's selftests expect. */
class VfioRequestsTest {
    private static final long PAGE = 4096;
    private static final long IOVA = 1 << 24;
    private final Client client = new Client();

    @AfterEach
    void close() {
        client.close();
    }

    private String raw(int request, long argument) {
        return Client.name(client.raw(request, argument));
    }

    private String map(int argsz, int flags, long iova, long address, long size) {
        MemorySegment struct = client.struct(32, s -> { });
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, flags);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, address);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, iova);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 24, size);
        return raw(VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA, STRUCT);
    }

    private String unmap(int argsz, int flags, long iova, long size) {
        MemorySegment struct = client.struct(24, s -> { });
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, flags);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, iova);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, size);
        return raw(VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA, STRUCT);
    }

    private long unmapped() {
        return client.caller.at(STRUCT, 24).get(ValueLayout.JAVA_LONG_UNALIGNED, 16);
    }

    private String info(int argsz) {
        client.caller.at(STRUCT, 256).fill((byte) 0x55);
        client.caller.at(STRUCT, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        return raw(VfioIommuType1Info.VFIO_IOMMU_GET_INFO, STRUCT);
    }

    private Ioas container() {
        Ioas ioas = client.file.context().allocateIoas();
        client.file.context().setVfioIoas(Optional.of(ioas));
        return ioas;
    }

    @Test
    void simpleIoctls() {
        assertThat(raw(VfioRequest.VFIO_GET_API_VERSION, 0)).isEqualTo("0");
        for (int extension = 0; extension < 12; extension++) {
            String expected = extension == 1 || extension == 3 || extension == 9 ? "1" : extension == 4 ? "ENODEV" : "0";
            assertThat(raw(VfioRequest.VFIO_CHECK_EXTENSION, extension)).as("extension %d", extension).isEqualTo(expected);
        }
        container();
        assertThat(raw(VfioRequest.VFIO_CHECK_EXTENSION, VfioRequest.VFIO_DMA_CC_IOMMU)).isEqualTo("1");
        assertThat(raw(VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA + 3, 0)).as("VFIO_IOMMU_DIRTY_PAGES").isEqualTo("ENOTTY");
    }

    @Test
    void unmapCmd() {
        assertThat(unmap(1, 0, IOVA, PAGE)).isEqualTo("EINVAL");
        assertThat(unmap(24, 1 << 31, IOVA, PAGE)).isEqualTo("EINVAL");
        assertThat(unmap(24, 0, IOVA, PAGE)).isEqualTo("ENODEV");
        assertThat(raw(VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA, 0)).isEqualTo("EFAULT");
    }

    @Test
    void mapCmd() {
        assertThat(map(1, 0, IOVA, BUFFER, PAGE)).isEqualTo("EINVAL");
        assertThat(map(32, 1 << 31, IOVA, BUFFER, PAGE)).isEqualTo("EINVAL");
        assertThat(map(32, 3, IOVA, BUFFER, PAGE)).isEqualTo("ENODEV");
        assertThat(raw(VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA, 0)).isEqualTo("EFAULT");
    }

    @Test
    void infoCmd() {
        assertThat(info(1)).isEqualTo("EINVAL");
        assertThat(info(24)).isEqualTo("ENODEV");
        assertThat(raw(VfioIommuType1Info.VFIO_IOMMU_GET_INFO, 0)).isEqualTo("EFAULT");
    }

    @Test
    void setIommuCmd() {
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, VfioRequest.VFIO_TYPE1V2_IOMMU)).isEqualTo("ENODEV");
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, VfioRequest.VFIO_TYPE1_IOMMU)).isEqualTo("ENODEV");
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, 2)).isEqualTo("EINVAL");
        container();
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, VfioRequest.VFIO_TYPE1V2_IOMMU)).isEqualTo("0");
    }

    @Test
    void infoTellsAsMuchAsThereIsRoomFor() {
        client.rig.hardware.reservedRegions = List.of(new ReservedRegion(new IovaRange(IOVA, IOVA + PAGE - 1), ReservedRegion.Kind.RESERVED));
        client.bind(1).attach(container());
        MemorySegment struct = client.caller.at(STRUCT, 256);
        int all = 24 + 16 + 16 + 2 * 16;
        for (int room = 16; room <= all + 8; room++) {
            assertThat(info(room)).isEqualTo("0");
            assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 0)).as("argsz for room of %d", room).isEqualTo(all);
            assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 4)).isEqualTo(3);
            assertThat(struct.get(ValueLayout.JAVA_LONG_UNALIGNED, 8) & PAGE).isEqualTo(PAGE);
            assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 16)).as("cap_offset for room of %d", room)
                    .isEqualTo(room >= all ? 24 : room >= 20 ? 0 : 0x55555555 & (room == 16 ? -1 : -1 << (room - 16) * 8));
            for (int beyond = room; beyond < 256; beyond++) {
                assertThat(struct.get(ValueLayout.JAVA_BYTE, beyond)).as("byte %d, room %d", beyond, room).isEqualTo((byte) 0x55);
            }
        }
        assertThat(struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, 24)).as("DMA_AVAIL").isEqualTo((short) 3);
        assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 28)).as("next").isEqualTo(40);
        assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 32)).isEqualTo(-1);
        assertThat(struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, 40)).as("IOVA_RANGE").isEqualTo((short) 1);
        assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 44)).as("next").isZero();
        assertThat(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 48)).isEqualTo(2);
        assertThat(struct.get(ValueLayout.JAVA_LONG_UNALIGNED, 64)).isEqualTo(IOVA - 1);
        assertThat(struct.get(ValueLayout.JAVA_LONG_UNALIGNED, 72)).isEqualTo(IOVA + PAGE);
    }

    @Test
    void theNewTypeUnmapsWholeMappingsOnly() {
        Ioas ioas = container();
        client.bind(1).attach(ioas);
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, VfioRequest.VFIO_TYPE1V2_IOMMU)).isEqualTo("0");
        assertThat(map(32, 3, IOVA, BUFFER, 4 * PAGE)).isEqualTo("0");
        assertThat(map(32, 3, IOVA, BUFFER, 4 * PAGE)).isEqualTo("EEXIST");
        assertThat(unmap(24, 0, IOVA + PAGE, PAGE)).isEqualTo("ENOENT");
        assertThat(unmapped()).isZero();
        assertThat(unmap(24, 0, IOVA, 0)).isEqualTo("EINVAL");
        assertThat(unmap(24, 0, -PAGE, 2 * PAGE)).isEqualTo("EOVERFLOW");
        assertThat(unmap(24, 0, IOVA - PAGE, 6 * PAGE)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(4 * PAGE);
        assertThat(unmap(24, 0, IOVA, PAGE)).as("nothing is no error").isEqualTo("0");
        assertThat(unmap(24, 2, IOVA, PAGE)).isEqualTo("EINVAL");
        assertThat(map(32, 1, IOVA, BUFFER, PAGE)).isEqualTo("0");
        assertThat(unmap(24, 2, 0, 0)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(PAGE);
    }

    @Test
    void theOldTypeCutsMappings() {
        Ioas ioas = container();
        var device = client.bind(1);
        device.attach(ioas);
        assertThat(map(32, 3, -1, BUFFER, PAGE)).isEqualTo("EINVAL");
        assertThat(map(32, 3, -1, -1, PAGE)).isEqualTo("EOVERFLOW");
        assertThat(raw(VfioRequest.VFIO_SET_IOMMU, VfioRequest.VFIO_TYPE1_IOMMU)).isEqualTo("0");
        assertThat(map(32, 3, IOVA, BUFFER, 4 * PAGE)).isEqualTo("0");
        assertThat(unmap(24, 0, IOVA + PAGE, 2 * PAGE)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(2 * PAGE);
        assertThat(client.caller.pinnedPages).as("the pages in the middle are free").hasValue(2);
        try (DmaPort port = device.endpoint().openPort()) {
            MemorySegment bytes = MemorySegment.ofArray(new byte[] {7, 8});
            assertThat(port.write(IOVA, bytes, 0, 2)).isEqualTo(DmaStatus.DONE);
            assertThat(port.write(IOVA + PAGE, bytes, 0, 2)).isNotEqualTo(DmaStatus.DONE);
            assertThat(port.write(IOVA + 3 * PAGE, bytes, 0, 2)).isEqualTo(DmaStatus.DONE);
        }
        assertThat(client.caller.at(BUFFER + 3 * PAGE, 1).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
        assertThat(map(32, 3, IOVA + PAGE, BUFFER, 2 * PAGE)).as("the hole can be filled").isEqualTo("0");
        assertThat(unmap(24, 0, IOVA + PAGE / 2, PAGE)).as("a page cannot be cut").isEqualTo("EINVAL");
        assertThat(unmap(24, 2, 0, 0)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(4 * PAGE);
    }
}
