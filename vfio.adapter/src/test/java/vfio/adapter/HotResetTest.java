package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.uapi.VfioPciDependentDevice;
import vfio.adapter.uapi.VfioPciHotReset;
import vfio.adapter.uapi.VfioPciHotResetInfo;
import vfio.device.VfioGroup;
import vfio.device.VfioGroupFile;

/** The devices of a bus are reset together, by who has all of them. */
class HotResetTest {
    private static final int INFO = VfioPciHotResetInfo.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
    private static final int RESET = VfioPciHotReset.VFIO_DEVICE_PCI_HOT_RESET;

    private final Rig rig = new Rig();
    private final TestDevice first = TestDevice.at(1, 0);
    private final TestDevice second = TestDevice.at(1, 1);
    private final AdaptedDevice firstDevice = rig.add(first);
    private final AdaptedDevice secondDevice = rig.add(second);

    @AfterEach
    void close() {
        rig.close();
    }

    private int devid(int index) {
        return VfioPciDependentDevice.devid(rig.client.at(TestClient.STRUCT + VfioPciHotResetInfo.SIZE_BYTES + index * 8L, 8));
    }

    private String reset(OpenNode file, int... descriptors) {
        rig.client.struct(VfioPciHotReset.SIZE_BYTES + descriptors.length * 4, struct -> {
            VfioPciHotReset.count(struct, descriptors.length);
            MemorySegment.copy(descriptors, 0, struct, ValueLayout.JAVA_INT_UNALIGNED, VfioPciHotReset.SIZE_BYTES, descriptors.length);
        });
        return rig.client.ioctl(file, RESET, TestClient.STRUCT);
    }

    @Test
    void ofRootBusesThereIsNone() {
        OpenNode file = rig.ready(rig.add(TestDevice.at(0, 3)));
        rig.client.refused(Errno.ENODEV, file, INFO, 64, struct -> { });
        assertThat(reset(file)).isEqualTo("ENODEV");
        file.close();
    }

    @Test
    void whoHasOneDeviceOfTwoCannotReset() {
        OpenNode file = rig.open(firstDevice);
        int iommufd = rig.iommufd();
        int id = rig.bind(file, iommufd);
        rig.client.refused(Errno.ENOSPC, file, INFO, 20, struct -> { });
        assertThat(VfioPciHotResetInfo.count(rig.client.at(TestClient.STRUCT, 12))).isEqualTo(2);
        MemorySegment info = rig.client.granted(file, INFO, 28, struct -> { });
        assertThat(VfioPciHotResetInfo.flags(info)).as("not all are its").isEqualTo(1);
        assertThat(devid(0)).isEqualTo(id);
        assertThat(devid(1)).isEqualTo(-1);
        MemorySegment entry = rig.client.at(TestClient.STRUCT + 20, 8);
        assertThat((int) VfioPciDependentDevice.bus(entry)).isEqualTo(1);
        assertThat((int) VfioPciDependentDevice.devfn(entry)).isEqualTo(8);
        assertThat(reset(file)).isEqualTo("EINVAL");
        assertThat(first.resets).isZero();
        OpenNode other = rig.open(secondDevice);
        rig.bind(other, iommufd);
        assertThat(VfioPciHotResetInfo.flags(rig.client.granted(file, INFO, 28, struct -> { }))).isEqualTo(3);
        assertThat(reset(file)).isEqualTo("0");
        assertThat(first.resets).isEqualTo(1);
        assertThat(second.resets).isEqualTo(1);
        assertThat(reset(file, 99)).as("groups are for devices of groups").isEqualTo("EINVAL");
        file.close();
        other.close();
    }

    /** A group file as whoever publishes groups has it. */
    private record GroupFile(VfioGroup.Claim claim) implements VfioGroupFile {
        @Override
        public long ioctl(Caller caller, int request, long argument) {
            throw new IommufdException(Errno.ENOTTY, "nothing");
        }

        @Override
        public void close() {
            claim.close();
        }
    }

    private int open(VfioGroup group, int iommufd) {
        VfioGroup.Claim claim = group.claim();
        claim.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
        return rig.client.openNode(new GroupFile(claim));
    }

    @Test
    void groupsProveByTheirFiles() {
        int iommufd = rig.iommufd();
        int one = open(rig.groups.get(firstDevice.group().number()), iommufd);
        int two = open(rig.groups.get(secondDevice.group().number()), iommufd);
        OpenNode file = ((GroupFile) rig.client.node((long) one)).claim().openDevice(firstDevice.name());
        rig.client.granted(file, INFO, 28, struct -> { });
        assertThat(devid(1)).isEqualTo(secondDevice.group().number());
        assertThat(reset(file)).isEqualTo("EINVAL");
        assertThat(reset(file, one)).isEqualTo("EINVAL");
        assertThat(reset(file, one, iommufd)).isEqualTo("EINVAL");
        assertThat(reset(file, one, 999)).isEqualTo("EBADF");
        assertThat(reset(file, one, two, one)).as("more than the bus has devices").isEqualTo("EINVAL");
        assertThat(first.resets).isZero();
        assertThat(reset(file, one, two)).isEqualTo("0");
        assertThat(first.resets).isEqualTo(1);
        file.close();
        rig.client.close(one);
        rig.client.close(two);
    }
}
