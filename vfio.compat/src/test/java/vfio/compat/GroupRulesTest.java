package vfio.compat;

import static iommufd.api.uapi.VfioGroupStatus.VFIO_GROUP_GET_STATUS;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_GET_DEVICE_FD;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_UNSET_CONTAINER;
import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.VfioGroupStatus;
import iommufd.core.node.IommuNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vfio.compat.group.GroupNode;

/** Group files: containers, iommufds and devices. */
class GroupRulesTest {
    private final Rig rig = new Rig();

    @AfterEach
    void close() {
        rig.close();
    }

    private int status(int group) {
        MemorySegment struct = rig.client.struct(8, s -> { });
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_STATUS, TestClient.STRUCT)).isEqualTo("0");
        return VfioGroupStatus.flags(struct);
    }

    private String device(int group, String name) {
        byte[] bytes = (name + "\0").getBytes(StandardCharsets.UTF_8);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, rig.client.at(TestClient.STRUCT, bytes.length), 0, bytes.length);
        return rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_DEVICE_FD, TestClient.STRUCT);
    }

    private String unset(int group) {
        return rig.client.ioctl(rig.file(group), VFIO_GROUP_UNSET_CONTAINER, 0);
    }

    @Test
    void oneFileAtATime() {
        TestGroup group = rig.group(1);
        int file = rig.open(group);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> new GroupNode(group).open(rig.client)).returns(Errno.EBUSY, IommufdException::errno);
        rig.client.close(file);
        assertThat(group.isClaimed()).isFalse();
        rig.open(group);
    }

    @Test
    void aDeviceNeedsAContainerWithAType() {
        TestGroup devices = rig.group(1);
        int group = rig.open(devices);
        int container = rig.container();
        assertThat(status(group)).as("viable").isEqualTo(1);
        assertThat(device(group, "nobody")).as("looked up first").isEqualTo("ENODEV");
        assertThat(device(group, "device1")).isEqualTo("EINVAL");
        assertThat(rig.setContainer(group, container)).isEqualTo("0");
        assertThat(rig.setContainer(group, container)).isEqualTo("EINVAL");
        assertThat(status(group)).isEqualTo(3);
        assertThat(device(group, "device1")).as("no type yet").isEqualTo("EINVAL");
        assertThat(rig.client.ioctl(rig.file(container), VFIO_SET_IOMMU, 3)).isEqualTo("0");
        int device = Integer.parseInt(device(group, "device1"));
        assertThat(rig.client.file(device)).isNotNull();
        int again = Integer.parseInt(device(group, "device1"));
        assertThat(device(group, "device")).as("the whole name counts").isEqualTo("ENODEV");
        assertThat(device(group, "device1 vf_token=1")).as("a token that the device refuses").isEqualTo("EACCES");
        assertThat(unset(group)).isEqualTo("EBUSY");
        rig.client.close(device);
        assertThat(unset(group)).isEqualTo("EBUSY");
        rig.client.close(again);
        assertThat(unset(group)).isEqualTo("0");
        assertThat(unset(group)).isEqualTo("EINVAL");
        assertThat(status(group)).isEqualTo(1);
        assertThat(rig.setContainer(group, container)).as("again").isEqualTo("0");
    }

    @Test
    void anOpenDeviceKeepsGroupAndContainer() {
        TestGroup devices = rig.group(1);
        int group = rig.open(devices);
        int container = rig.container();
        rig.setContainer(group, container);
        OpenNode file = rig.file(container);
        rig.client.ioctl(file, VFIO_SET_IOMMU, 3);
        rig.map(file, Rig.READ_WRITE, 0, TestClient.BUFFER, Rig.PAGE);
        int device = Integer.parseInt(device(group, "device1"));
        rig.client.close(container);
        rig.client.close(group);
        assertThat(rig.client.pinnedPages).as("any order of close").hasValue(1);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> new GroupNode(devices).open(rig.client)).returns(Errno.EBUSY, IommufdException::errno);
        rig.client.close(device);
        assertThat(rig.client.pinnedPages).hasValue(0);
        rig.open(devices);
    }

    @Test
    void aDescriptorThatCannotBeMadeLeavesNothingOpen() {
        int group = rig.open(rig.group(1));
        int container = rig.container();
        rig.setContainer(group, container);
        rig.client.ioctl(rig.file(container), VFIO_SET_IOMMU, 3);
        rig.client.mayOpen = 0;
        assertThat(device(group, "device1")).isEqualTo("EMFILE");
        assertThat(unset(group)).isEqualTo("0");
    }

    @Test
    void aContainerIsAContainerOrAnIommufd() {
        int group = rig.open(rig.group(1));
        assertThat(rig.setContainer(group, 99)).isEqualTo("EBADF");
        assertThat(rig.setContainer(group, 0)).as("a terminal").isEqualTo("EBADFD");
        assertThat(rig.setContainer(group, group)).as("another node of ours").isEqualTo("EBADFD");
        assertThat(rig.client.ioctl(rig.file(group), 0x3B68, 0x1000)).isEqualTo("EFAULT");
        assertThat(status(group)).isEqualTo(1);
    }

    @Test
    void anIommufdServesTheGroupByItsCompatibilityIoas() {
        DmaEndpoint endpoint = rig.plug(1);
        TestGroup devices = new TestGroup(1, List.of("a"), List.of(endpoint));
        int group = rig.open(devices);
        IommufdFile iommufd = (IommufdFile) new IommuNode(rig.engine).open(rig.client);
        int number = rig.client.openNode(iommufd);
        assertThat(rig.setContainer(group, number)).isEqualTo("0");
        Ioas ioas = iommufd.context().vfioIoas().orElseThrow();
        assertThat(status(group)).isEqualTo(3);
        assertThat(rig.client.ioctl(iommufd, VFIO_SET_IOMMU, 3)).isEqualTo("0");
        assertThat(rig.map(iommufd, Rig.READ_WRITE, 0, TestClient.BUFFER, Rig.PAGE)).isEqualTo("0");
        try (DmaPort port = endpoint.openPort()) {
            assertThat(rig.reaches(port, 0, TestClient.BUFFER)).as("not before the device is open").isFalse();
            int device = Integer.parseInt(device(group, "a"));
            assertThat(rig.reaches(port, 0, TestClient.BUFFER)).isTrue();
            rig.client.close(group);
            rig.client.close(number);
            assertThat(rig.reaches(port, 0, TestClient.BUFFER)).as("the device keeps the context").isTrue();
            rig.client.close(device);
            assertThat(rig.reaches(port, 0, TestClient.BUFFER)).isFalse();
        }
        assertThat(rig.client.pinnedPages).hasValue(0);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(ioas::mappedBytes).returns(Errno.EBADF, IommufdException::errno);
        rig.open(devices);
    }

    @Test
    void anIommufdWithoutCompatibilityIoasOpensNoDevice() {
        int group = rig.open(rig.group(1));
        IommufdFile iommufd = (IommufdFile) new IommuNode(rig.engine).open(rig.client);
        Ioas own = iommufd.context().allocateIoas();
        iommufd.context().setVfioIoas(Optional.of(own));
        assertThat(rig.setContainer(group, rig.client.openNode(iommufd))).isEqualTo("0");
        assertThat(iommufd.context().vfioIoas()).as("the client's choice").contains(own);
        iommufd.context().setVfioIoas(Optional.empty());
        assertThat(device(group, "device1")).isEqualTo("ENODEV");
        iommufd.context().setVfioIoas(Optional.of(own));
        rig.client.mayOpen = 0;
        assertThat(device(group, "device1")).isEqualTo("EMFILE");
        assertThat(unset(group)).isEqualTo("0");
        rig.client.mayOpen = 1;
        assertThat(device(group, "device1")).as("taken out").isEqualTo("EINVAL");
        own.destroy();
        iommufd.close();
    }

    @Test
    void aGroupWithoutDevicesIsOfNoUse() {
        TestGroup devices = rig.group(1);
        int group = rig.open(devices);
        int container = rig.container();
        devices.names.clear();
        assertThat(rig.setContainer(group, container)).isEqualTo("ENODEV");
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_STATUS, TestClient.STRUCT)).as("argsz is a descriptor's number").isEqualTo("ENODEV");
        assertThat(rig.client.ioctl(rig.file(group), 0x3B70, TestClient.STRUCT)).isEqualTo("ENOTTY");
    }

    @Test
    void structsAndNamesAreChecked() {
        int group = rig.open(rig.group(1));
        rig.client.struct(7, s -> { });
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_STATUS, TestClient.STRUCT)).isEqualTo("EINVAL");
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_STATUS, 0)).isEqualTo("EFAULT");
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_DEVICE_FD, 0)).isEqualTo("EFAULT");
        rig.client.at(TestClient.STRUCT, 5000).fill((byte) 'x');
        assertThat(rig.client.ioctl(rig.file(group), VFIO_GROUP_GET_DEVICE_FD, TestClient.STRUCT)).as("longer than a page").isEqualTo("EINVAL");
        assertThat(rig.file(group).poll()).isEqualTo(OpenNode.READABLE | OpenNode.WRITABLE);
        assertThat(rig.client.at(TestClient.STRUCT, 1).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 'x');
    }
}
