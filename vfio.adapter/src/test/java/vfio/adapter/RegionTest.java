package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import iommufd.api.Errno;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.uapi.VfioDeviceInfo;
import vfio.adapter.uapi.VfioDeviceIoeventfd;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioRegionInfo;
import vfio.adapter.uapi.VfioRegionInfoCapSparseMmap;
import vfio.adapter.uapi.VfioRegionSparseMmapArea;

/** Regions: what they tell of themselves, reads and writes of BARs, doorbells, reset. */
class RegionTest {
    private static final long BAR_2 = 2L << 40;
    private static final long BAR_4 = 4L << 40;
    private static final int RESET = 0x3B6F;

    private final Rig rig = new Rig();
    private final TestDevice model = TestDevice.at(0, 5);
    private OpenNode file;

    @BeforeEach
    void open() {
        file = rig.ready(rig.add(model));
    }

    @AfterEach
    void close() {
        file.close();
        rig.close();
    }

    private MemorySegment info(int index, int userBytes) {
        return rig.client.granted(file, VfioRegionInfo.VFIO_DEVICE_GET_REGION_INFO, 128, struct -> {
            VfioRegionInfo.argsz(struct, userBytes);
            VfioRegionInfo.index(struct, index);
        });
    }

    @Test
    void theDeviceTellsWhatItHas() {
        MemorySegment info = rig.client.granted(file, VfioDeviceInfo.VFIO_DEVICE_GET_INFO, VfioDeviceInfo.SIZE_BYTES, struct -> { });
        assertThat(VfioDeviceInfo.flags(info)).isEqualTo(VfioDeviceInfo.VFIO_DEVICE_FLAGS_PCI | VfioDeviceInfo.VFIO_DEVICE_FLAGS_RESET);
        assertThat(VfioDeviceInfo.numRegions(info)).isEqualTo(9);
        assertThat(VfioDeviceInfo.numIrqs(info)).isEqualTo(5);
        rig.client.refused(Errno.EINVAL, file, VfioDeviceInfo.VFIO_DEVICE_GET_INFO, 12, struct -> { });
    }

    @Test
    void regionsTellWhatTheyAre() {
        MemorySegment config = info(7, 32);
        assertThat(VfioRegionInfo.size(config)).isEqualTo(4096);
        assertThat(VfioRegionInfo.flags(config)).isEqualTo(3);
        assertThat(VfioRegionInfo.offset(config)).isEqualTo(Rig.CONFIG);
        assertThat(VfioRegionInfo.size(info(0, 32))).isEqualTo(4096);
        assertThat(VfioRegionInfo.flags(info(0, 32))).isEqualTo(3);
        assertThat(VfioRegionInfo.size(info(1, 32))).as("the upper half of BAR 0").isZero();
        assertThat(VfioRegionInfo.size(info(6, 32))).isZero();
        rig.client.refused(Errno.EINVAL, file, VfioRegionInfo.VFIO_DEVICE_GET_REGION_INFO, 32, struct -> VfioRegionInfo.index(struct, 8));
        rig.client.refused(Errno.EINVAL, file, VfioRegionInfo.VFIO_DEVICE_GET_REGION_INFO, 32, struct -> VfioRegionInfo.index(struct, -1));
    }

    @Test
    void partsThatCanBeMappedAreACapability() {
        MemorySegment small = info(2, 32);
        assertThat(VfioRegionInfo.flags(small)).isEqualTo(15);
        assertThat(VfioRegionInfo.argsz(small)).as("how much room is needed").isEqualTo(64);
        assertThat(VfioRegionInfo.capOffset(small)).isZero();
        MemorySegment info = info(2, 64);
        assertThat(VfioRegionInfo.capOffset(info)).isEqualTo(32);
        MemorySegment sparse = info.asSlice(32);
        assertThat((int) VfioRegionInfoCapSparseMmap.headerId(sparse)).isEqualTo(VfioRegionInfo.VFIO_REGION_INFO_CAP_SPARSE_MMAP);
        assertThat(VfioRegionInfoCapSparseMmap.headerNext(sparse)).isZero();
        assertThat(VfioRegionInfoCapSparseMmap.nrAreas(sparse)).isEqualTo(1);
        assertThat(VfioRegionSparseMmapArea.offset(sparse.asSlice(16))).isZero();
        assertThat(VfioRegionSparseMmapArea.size(sparse.asSlice(16))).isEqualTo(4096);
    }

    @Test
    void accessesComeInAlignedPartsAndEndWithTheBar() {
        MemorySegment bytes = MemorySegment.ofArray(new long[] {0x1122334455667788L, 0x99AABBCCDDEEFF00L});
        rig.write(file, TestDevice.VALUE, 8, 0x1122334455667788L);
        assertThat(rig.read(file, TestDevice.VALUE + 1, 1)).isEqualTo(0x77);
        assertThat(rig.read(file, TestDevice.VALUE + 1, 4)).as("1 + 2 + 1 bytes").isEqualTo(0x44556677L);
        assertThat(rig.readInto(file, 4092, bytes)).as("what is left of the BAR").isEqualTo(4);
        assertThat(rig.readRefused(file, 4096, 4)).isEqualTo(Errno.EINVAL);
        assertThat(rig.readRefused(file, 1L << 40, 4)).isEqualTo(Errno.EINVAL);
        assertThat(rig.readRefused(file, 6L << 40, 4)).isEqualTo(Errno.EINVAL);
        assertThat(rig.readRefused(file, 9L << 40, 4)).isEqualTo(Errno.EINVAL);
        assertThat(rig.readRefused(file, Rig.CONFIG + 4096, 4)).isEqualTo(Errno.EFAULT);
        assertThat(rig.readRefused(file, Rig.CONFIG + 4094, 4)).isEqualTo(Errno.EFAULT);
    }

    @Test
    void memoryThatIsDisabledDoesNotAnswer() {
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, 4);
        assertThat(rig.readRefused(file, 0, 4)).isEqualTo(Errno.EIO);
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        assertThat(rig.read(file, 0, 4)).isZero();
        rig.write(file, Rig.CONFIG + 0x44, 2, 3);
        assertThat(rig.readRefused(file, 0, 4)).as("in D3hot").isEqualTo(Errno.EIO);
        assertThat(model.running.mastering).isFalse();
        rig.write(file, Rig.CONFIG + 0x44, 2, 0);
        assertThat(rig.read(file, 0, 4)).isZero();
        assertThat(model.running.mastering).isTrue();
    }

    @Test
    void sharedMemoryIsOneForClientAndDevice() {
        rig.write(file, BAR_2 + 8, 4, 0xABCD);
        assertThat(model.running.host.sharedMemory(2).get(ValueLayout.JAVA_INT, 8)).isEqualTo(0xABCD);
        assertThat(model.running.sharedWritten).isEqualTo(8);
        model.running.host.sharedMemory(2).set(ValueLayout.JAVA_INT, 16, 77);
        assertThat(rig.read(file, BAR_2 + 16, 4)).isEqualTo(77);
        rig.write(file, BAR_2 + 4096, 4, 1);
        assertThat(model.running.host.sharedMemory(2).get(ValueLayout.JAVA_INT, 4096)).as("the second page is trapped").isZero();
        assertThat(file.mappableFile()).isPresent();
    }

    @Test
    void theNextClientFindsSharedMemoryCleared() {
        rig.write(file, BAR_2 + 8, 4, 0xABCD);
        file.close();
        file = rig.ready(rig.registry.devices().getFirst());
        assertThat(rig.read(file, BAR_2 + 8, 4)).isZero();
    }

    @Test
    void theInterruptTableReachesNobody() {
        assertThat(rig.read(file, BAR_4 + 0x100, 8)).isEqualTo(-1);
        rig.write(file, BAR_4 + 0x100, 8, 0);
        assertThat(rig.read(file, BAR_4 + 0x100 + TestDevice.VECTORS * 16 - 4, 8)).as("half in, half out").isEqualTo(0xFFFF_FFFFL);
        assertThat(rig.read(file, BAR_4 + 0x800, 8)).as("pending bits").isZero();
    }

    @Test
    void aResetLeavesTheConfigurationSpaceAsItIs() {
        rig.write(file, TestDevice.VALUE, 8, 5);
        rig.write(file, Rig.CONFIG + 0x3C, 1, 9);
        assertThat(rig.client.ioctl(file, RESET, 0)).isEqualTo("0");
        assertThat(model.resets).isEqualTo(1);
        assertThat(rig.read(file, TestDevice.VALUE, 8)).isZero();
        assertThat(rig.read(file, Rig.CONFIG + 0x3C, 1)).isEqualTo(9);
        assertThat(rig.read(file, Rig.CONFIG + Rig.COMMAND, 2)).isEqualTo(Rig.MEMORY_AND_MASTER);
    }

    private String ioeventfd(int flags, long offset, long data, int descriptor) {
        rig.client.struct(VfioDeviceIoeventfd.SIZE_BYTES, struct -> {
            VfioDeviceIoeventfd.flags(struct, flags);
            VfioDeviceIoeventfd.offset(struct, offset);
            VfioDeviceIoeventfd.data(struct, data);
            VfioDeviceIoeventfd.fd(struct, descriptor);
        });
        return rig.client.ioctl(file, VfioDeviceIoeventfd.VFIO_DEVICE_IOEVENTFD, TestClient.STRUCT);
    }

    @Test
    void anEventfdWritesARegister() {
        int eventfd = rig.client.eventfd();
        assertThat(ioeventfd(4, TestDevice.VALUE, 0x1_0000_1234L, eventfd)).isEqualTo("0");
        rig.client.eventfd(eventfd).write();
        await().atMost(Duration.ofSeconds(5)).until(() -> rig.read(file, TestDevice.VALUE, 8) == 0x1234);
        assertThat(ioeventfd(4, TestDevice.VALUE, 0x1234, eventfd)).as("the same write").isEqualTo("EEXIST");
        assertThat(ioeventfd(4, TestDevice.VALUE, 0x1234, -1)).isEqualTo("0");
        assertThat(ioeventfd(4, TestDevice.VALUE, 0x1234, -1)).isEqualTo("ENODEV");
        assertThat(rig.client.taken).hasValue(0);
        assertThat(ioeventfd(3, 0, 0, eventfd)).isEqualTo("EINVAL");
        assertThat(ioeventfd(4, 0, 0, -2)).isEqualTo("EINVAL");
        assertThat(ioeventfd(4, 4094, 0, eventfd)).isEqualTo("EINVAL");
        assertThat(ioeventfd(4, Rig.CONFIG, 0, eventfd)).isEqualTo("EINVAL");
        assertThat(ioeventfd(4, BAR_4 + 0x100, 0, eventfd)).isEqualTo("EINVAL");
        assertThat(ioeventfd(4, 0, 0, rig.client.openOther())).isEqualTo("EINVAL");
    }

    private String told(int request, Consumer<MemorySegment> fields, int sizeBytes) {
        rig.client.struct(sizeBytes, fields);
        IoctlDecoder.Call call = file.decoder().begin(rig.client, request, TestClient.STRUCT);
        String result = rig.client.ioctl(file, request, TestClient.STRUCT);
        return call.end(result.equals("0") ? 0 : -Errno.valueOf(result).number());
    }

    @Test
    void requestsAreToldInWords() {
        assertThat(told(VfioIrqInfo.VFIO_DEVICE_GET_IRQ_INFO, struct -> VfioIrqInfo.index(struct, 2), VfioIrqInfo.SIZE_BYTES))
                .isEqualTo("VFIO_DEVICE_GET_IRQ_INFO {argsz=16, index=2} => {flags=0x1, count=4} = 0");
        assertThat(told(VfioRegionInfo.VFIO_DEVICE_GET_REGION_INFO, struct -> VfioRegionInfo.index(struct, 9), VfioRegionInfo.SIZE_BYTES))
                .isEqualTo("VFIO_DEVICE_GET_REGION_INFO {argsz=32, index=9} = -1 EINVAL");
        assertThat(told(RESET, struct -> { }, 8)).isEqualTo("VFIO_DEVICE_RESET = 0");
        assertThat(told(0x3B99, struct -> { }, 8)).contains("0x3b99").contains("ENOTTY");
    }

    @Test
    void unknownRequestsAreNoRequests() {
        assertThat(rig.client.ioctl(file, 0x3B6E + 4, TestClient.STRUCT)).isEqualTo("ENOTTY");
        assertThat(rig.client.ioctl(file, 0x1234, TestClient.STRUCT)).isEqualTo("ENOTTY");
    }
}
