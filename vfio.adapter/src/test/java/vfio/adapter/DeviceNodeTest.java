package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuDestroy;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;
import vfio.adapter.uapi.VfioDeviceBindIommufd;
import vfio.adapter.uapi.VfioDeviceDetachIommufdPt;
import vfio.adapter.uapi.VfioDeviceInfo;
import vfio.device.VfioGroup;

/** Binding, attaching, and who may when. */
class DeviceNodeTest {
    private final Rig rig = new Rig();
    private final TestDevice model = TestDevice.at(0, 5);
    private final AdaptedDevice device = rig.add(model);

    @AfterEach
    void close() {
        rig.close();
    }

    private String detach(OpenNode file) {
        rig.client.struct(VfioDeviceDetachIommufdPt.SIZE_BYTES, struct -> { });
        return rig.client.ioctl(file, VfioDeviceDetachIommufdPt.VFIO_DEVICE_DETACH_IOMMUFD_PT, TestClient.STRUCT);
    }

    private void refuseAttach(Errno errno, OpenNode file, int target) {
        rig.client.refused(errno, file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.SIZE_BYTES,
                struct -> VfioDeviceAttachIommufdPt.ptId(struct, target));
    }

    @Test
    void theDevicesDmaReachesTheClientOnceItIsAttachedAndMayMaster() {
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        assertThat(rig.bind(file, iommufd)).isPositive();
        Ioas ioas = rig.ioas(iommufd);
        MemorySegment word = rig.client.at(TestClient.BUFFER, 8);
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        rig.command(file, 1, 1 << 20, 0xCAFE);
        assertThat(model.running.status()).as("not attached").isEqualTo(DmaStatus.FAULTED);
        rig.attach(file, ioas.id());
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, 2);
        assertThat(model.running.mastering).isFalse();
        rig.command(file, 1, 1 << 20, 0xCAFE);
        assertThat(model.running.status()).as("bus mastering is off").isEqualTo(DmaStatus.ABORTED);
        assertThat(model.running.port.lastFault().orElseThrow().text()).contains("bus mastering");
        assertThat(word.get(ValueLayout.JAVA_LONG, 0)).isZero();
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        assertThat(model.running.mastering).isTrue();
        rig.command(file, 1, 1 << 20, 0xCAFE);
        assertThat(model.running.status()).isEqualTo(DmaStatus.DONE);
        assertThat(word.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(0xCAFE);
        assertThat(detach(file)).isEqualTo("0");
        rig.command(file, 1, 1 << 20, 0xBEEF);
        assertThat(model.running.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(word.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(0xCAFE);
        file.close();
    }

    @Test
    void nothingButBindingIsPossibleBeforeBinding() {
        OpenNode file = rig.open(device);
        rig.client.refused(Errno.EINVAL, file, VfioDeviceInfo.VFIO_DEVICE_GET_INFO, VfioDeviceInfo.SIZE_BYTES, struct -> { });
        assertThat(rig.readRefused(file, Rig.CONFIG, 4)).isEqualTo(Errno.EINVAL);
        refuseAttach(Errno.EINVAL, file, 1);
        assertThat(model.starts).isZero();
        file.close();
    }

    @Test
    void bindingHasLinuxsRules() {
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        rig.refuseBind(Errno.EINVAL, file, -1);
        rig.refuseBind(Errno.EBADF, file, 999);
        rig.refuseBind(Errno.EBADFD, file, rig.client.openOther());
        rig.client.refused(Errno.EINVAL, file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES, struct -> {
            VfioDeviceBindIommufd.iommufd(struct, iommufd);
            VfioDeviceBindIommufd.flags(struct, 2);
        });
        rig.client.refused(Errno.EINVAL, file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES, struct -> {
            VfioDeviceBindIommufd.iommufd(struct, iommufd);
            VfioDeviceBindIommufd.flags(struct, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_FLAG_TOKEN);
            VfioDeviceBindIommufd.tokenUuidPtr(struct, TestClient.ARRAY);
        });
        rig.client.refused(Errno.EINVAL, file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES, struct ->
            VfioDeviceBindIommufd.argsz(struct, VfioDeviceBindIommufd.MIN_BYTES - 1));
        rig.client.refused(Errno.E2BIG, file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES + 8, struct -> {
            VfioDeviceBindIommufd.iommufd(struct, iommufd);
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, VfioDeviceBindIommufd.SIZE_BYTES, 1);
        });
        assertThat(model.starts).isZero();
        int id = rig.bind(file, iommufd);
        rig.refuseBind(Errno.EINVAL, file, iommufd);
        OpenNode second = rig.open(device);
        rig.refuseBind(Errno.EINVAL, second, iommufd);
        rig.client.refused(Errno.EBUSY, rig.iommufd(iommufd), IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, struct -> IommuDestroy.id(struct, id));
        file.close();
        assertThat(rig.bind(second, iommufd)).isEqualTo(id);
        second.close();
        assertThat(model.starts).isEqualTo(2);
    }

    @Test
    void aFailedStartUnbindsAgain() {
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        model.refusal = Errno.EIO;
        rig.refuseBind(Errno.EIO, file, iommufd);
        model.refusal = null;
        assertThat(rig.bind(file, iommufd)).isEqualTo(1);
        file.close();
    }

    @Test
    void aResultThatCannotBeWrittenBindsNothing() {
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        long end = TestClient.BASE + (4L << 20);
        MemorySegment struct = rig.client.at(end - VfioDeviceAttachIommufdPt.SIZE_BYTES, VfioDeviceAttachIommufdPt.SIZE_BYTES);
        struct.fill((byte) 0);
        VfioDeviceBindIommufd.argsz(struct, VfioDeviceBindIommufd.SIZE_BYTES);
        assertThat(rig.client.ioctl(file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, end - VfioDeviceAttachIommufdPt.SIZE_BYTES)).isEqualTo("EFAULT");
        assertThat(model.starts).isZero();
        assertThat(rig.bind(file, iommufd)).isEqualTo(1);
        file.close();
    }

    @Test
    void attachingHasLinuxsRules() {
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        int id = rig.bind(file, iommufd);
        Ioas ioas = rig.ioas(iommufd);
        refuseAttach(Errno.ENOENT, file, -1);
        refuseAttach(Errno.EINVAL, file, id);
        int hwpt = rig.attach(file, ioas.id());
        assertThat(hwpt).isNotEqualTo(ioas.id());
        assertThat(rig.attach(file, hwpt)).as("again, which replaces it by itself").isEqualTo(hwpt);
        Ioas other = rig.ioas(iommufd);
        assertThat(rig.attach(file, other.id())).isNotEqualTo(hwpt);
        rig.client.refused(Errno.EINVAL, file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.SIZE_BYTES,
                struct -> VfioDeviceAttachIommufdPt.flags(struct, 2));
        rig.client.refused(Errno.EINVAL, file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.MIN_BYTES,
                struct -> VfioDeviceAttachIommufdPt.flags(struct, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_PASID));
        assertThat(detach(file)).isEqualTo("0");
        assertThat(detach(file)).as("nothing is attached").isEqualTo("0");
        file.close();
    }

    @Test
    void aGroupAndADevicesOwnNodeExcludeEachOther() {
        VfioGroup group = rig.groups.get(device.function().group());
        OpenNode file = rig.open(device);
        int iommufd = rig.iommufd();
        VfioGroup.Claim claim = group.claim();
        assertThatExceptionOfType(IommufdException.class).isThrownBy(group::claim).returns(Errno.EBUSY, IommufdException::errno);
        rig.refuseBind(Errno.EBUSY, file, iommufd);
        claim.close();
        rig.bind(file, iommufd);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(group::claim).returns(Errno.EBUSY, IommufdException::errno);
        file.close();
        group.claim().close();
    }

    @Test
    void aDeviceOfAGroupIsOpenedOftenAndStartedOnce() {
        VfioGroup group = rig.groups.get(device.function().group());
        VfioGroup.Claim claim = group.claim();
        int iommufd = rig.iommufd();
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> claim.openDevice(device.name())).returns(Errno.EINVAL, IommufdException::errno);
        claim.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
        assertThat(claim.boundDevices()).hasSize(1);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> claim.openDevice("0000:00:1f.7")).returns(Errno.ENODEV, IommufdException::errno);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> claim.openDevice(device.name() + " vf_token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3"))
                .returns(Errno.EINVAL, IommufdException::errno);
        OpenNode first = claim.openDevice(device.name());
        OpenNode second = claim.openDevice(device.name());
        assertThat(model.starts).isEqualTo(1);
        rig.write(first, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        rig.command(second, 1, 1 << 20, 0xF00D);
        assertThat(rig.client.at(TestClient.BUFFER, 8).get(ValueLayout.JAVA_LONG, 0)).isEqualTo(0xF00D);
        rig.refuseBind(Errno.EINVAL, first, iommufd);
        rig.client.refused(Errno.ENOTTY, first, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.SIZE_BYTES, struct -> { });
        assertThatExceptionOfType(IommufdException.class).isThrownBy(claim::detach).returns(Errno.EBUSY, IommufdException::errno);
        boolean[] told = {false};
        claim.onLastDeviceClosed(() -> {
            claim.detach();
            told[0] = claim.attached().isEmpty();
        });
        claim.close();
        first.close();
        assertThat(told[0]).isFalse();
        assertThatExceptionOfType(IommufdException.class).as("a device file keeps the group").isThrownBy(group::claim)
                .returns(Errno.EBUSY, IommufdException::errno);
        second.close();
        assertThat(told[0]).isTrue();
        assertThat(model.running.closed).isTrue();
        VfioGroup.Claim next = group.claim();
        next.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
        claim.detach();
        assertThat(next.boundDevices()).as("an old claim has nothing to say").hasSize(1);
        next.close();
    }
}
