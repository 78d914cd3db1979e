package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.node.OpenNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;
import vfio.adapter.uapi.VfioDeviceDetachIommufdPt;
import vfio.device.PasidCapability;

/** Requests with PASIDs have attachments of their own. */
class PasidTest {
    private static final int FLAG = VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_PASID;

    private final Rig rig = new Rig();
    private final TestDevice model = new TestDevice(TestDevice.builder(0, 7).capability(new PasidCapability(16, false, false)).build());

    @AfterEach
    void close() {
        rig.close();
    }

    private String attach(OpenNode file, int target, int pasid) {
        rig.client.struct(VfioDeviceAttachIommufdPt.SIZE_BYTES, struct -> {
            VfioDeviceAttachIommufdPt.flags(struct, FLAG);
            VfioDeviceAttachIommufdPt.ptId(struct, target);
            VfioDeviceAttachIommufdPt.pasid(struct, pasid);
        });
        return rig.client.ioctl(file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, TestClient.STRUCT);
    }

    private String detach(OpenNode file, int pasid) {
        rig.client.struct(VfioDeviceDetachIommufdPt.SIZE_BYTES, struct -> {
            VfioDeviceDetachIommufdPt.flags(struct, VfioDeviceDetachIommufdPt.VFIO_DEVICE_DETACH_PASID);
            VfioDeviceDetachIommufdPt.pasid(struct, pasid);
        });
        return rig.client.ioctl(file, VfioDeviceDetachIommufdPt.VFIO_DEVICE_DETACH_IOMMUFD_PT, TestClient.STRUCT);
    }

    @Test
    void requestsWithAPasidReachWhatItIsAttachedTo() {
        OpenNode file = rig.open(rig.add(model));
        int iommufd = rig.iommufd();
        int id = rig.bind(file, iommufd);
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        IommufdContext context = rig.iommufd(iommufd).context();
        Ioas ioas = rig.ioas(iommufd);
        PagingHwpt table = context.allocateHwpt((BoundDevice) context.object(id), ioas, new HwptOptions(false, false, true, Optional.empty()));
        rig.attach(file, table.id());
        DmaPort port = model.running.host.openPort(new Pasid(5));
        MemorySegment buffer = Arena.ofAuto().allocate(8);
        buffer.set(ValueLayout.JAVA_LONG, 0, 77);
        assertThat(port.write(1 << 20, buffer, 0, 8)).as("not attached").isEqualTo(DmaStatus.FAULTED);
        assertThat(attach(file, table.id(), 5)).isEqualTo("0");
        assertThat(attach(file, table.id(), 5)).as("again, which replaces it by itself").isEqualTo("0");
        assertThat(port.write(1 << 20, buffer, 0, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(rig.client.at(TestClient.BUFFER, 8).get(ValueLayout.JAVA_LONG, 0)).isEqualTo(77);
        assertThat(attach(file, ioas.id(), 6)).as("an address space cannot be for a PASID").isEqualTo("EINVAL");
        assertThat(attach(file, table.id(), 1 << 20)).isEqualTo("EINVAL");
        assertThat(attach(file, table.id(), -1)).isEqualTo("ENOSPC");
        assertThat(detach(file, 5)).isEqualTo("0");
        assertThat(detach(file, 5)).isEqualTo("0");
        assertThat(port.write(1 << 20, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> model.running.host.openPort(new Pasid(1 << 16)))
                .returns(Errno.EINVAL, IommufdException::errno);
        file.close();
    }
}
