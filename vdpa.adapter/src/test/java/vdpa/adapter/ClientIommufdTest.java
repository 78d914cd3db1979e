package vdpa.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vdpa.adapter.uapi.VdpaIommufd;
import vdpa.adapter.uapi.VhostRequest;

/** A device that belongs to the client's own iommufd. */
class ClientIommufdTest {
    private static final int BIND = VdpaIommufd.VHOST_VDPA_BIND_IOMMUFD;
    private static final int ATTACH = VdpaIommufd.VHOST_VDPA_ATTACH_IOMMUFD_PT;
    private static final int DETACH = VdpaIommufd.VHOST_VDPA_DETACH_IOMMUFD_PT;
    private final Rig rig = Rig.owned(LoopbackDevice.full(5));
    private final int iommufd = rig.iommufd();

    @AfterEach
    void close() {
        rig.client.close(iommufd);
        rig.close();
    }

    private boolean writes(int group) {
        MemorySegment bytes = Arena.ofAuto().allocate(8);
        try (DmaPort port = rig.model.running.host.openPort(group)) {
            return port.write(Rig.IOVA, bytes, 0, 8) == DmaStatus.DONE;
        }
    }

    @Test
    void dirtyTrackingAndPasidsAreTheClients() {
        assertThat(rig.request(ATTACH, 16, 0, 1)).as("not bound").isEqualTo("EINVAL");
        assertThat(rig.request(BIND, 16, 0, iommufd)).isEqualTo("0");
        IommufdContext context = rig.iommufd(iommufd).context();
        BoundDevice bound = (BoundDevice) context.object(rig.answer(2));
        Ioas ioas = context.allocateIoas();
        ioas.mapAt(Rig.IOVA, rig.client.mappable(), TestClient.BUFFER, Rig.BUFFER_BYTES, DmaAccess.READ_WRITE);
        PagingHwpt table = context.allocateHwpt(bound, ioas, new HwptOptions(false, true, true, Optional.empty()));
        table.setDirtyTracking(true);
        assertThat(rig.request(ATTACH, 16, 0, table.id())).isEqualTo("0");
        assertThat(rig.answer(2)).isEqualTo(table.id());
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 1, 2)).isEqualTo("0");
        assertThat(writes(0)).isTrue();
        assertThat(writes(1)).as("its address space is not attached").isFalse();
        MemorySegment bitmap = MemorySegment.ofArray(new byte[2]);
        table.readDirty(Rig.IOVA, Rig.BUFFER_BYTES, 4096, bitmap, true);
        assertThat(bitmap.toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 0);
        assertThat(rig.request(ATTACH, 16, 1, table.id(), 2)).isEqualTo("0");
        assertThat(writes(1)).isTrue();
        assertThat(rig.request(DETACH, 16, 1, 0, 2)).isEqualTo("0");
        assertThat(writes(1)).isFalse();
        assertThat(rig.request(DETACH, 16)).isEqualTo("0");
        assertThat(writes(0)).isFalse();
    }

    @Test
    void messagesAreForWhatIsNotBound() {
        rig.map(0);
        assertThat(rig.request(BIND, 16, 0, iommufd)).as("something is mapped").isEqualTo("EBUSY");
        assertThat(rig.invalidate(0, 0, 0)).isEqualTo("72");
        assertThat(rig.request(BIND, 16, 0, iommufd)).isEqualTo("0");
        assertThat(rig.update(0, Rig.IOVA, 4096, TestClient.BUFFER, 3)).isEqualTo("EFAULT");
        assertThat(rig.request(BIND, 16, 0, iommufd)).as("twice").isEqualTo("EINVAL");
    }

    @Test
    void badArguments() {
        assertThat(rig.request(BIND, 15, 0, iommufd)).isEqualTo("EINVAL");
        assertThat(rig.request(BIND, 16, 1, iommufd)).isEqualTo("EINVAL");
        assertThat(rig.request(BIND, 16, 2, iommufd)).isEqualTo("EINVAL");
        assertThat(rig.request(BIND, 16, 0, -1)).isEqualTo("EINVAL");
        assertThat(rig.request(BIND, 16, 0, 999)).isEqualTo("EBADF");
        assertThat(rig.request(BIND, 16, 0, rig.client.openOther())).isEqualTo("EBADFD");
        rig.map(0);
        assertThat(rig.invalidate(0, 0, 0)).isEqualTo("72");
        assertThat(rig.request(BIND, 16, 0, iommufd)).isEqualTo("0");
        assertThat(rig.request(ATTACH, 16, 0, 999)).isEqualTo("ENOENT");
        assertThat(rig.request(ATTACH, 16, 0, rig.answer(2) + 1000)).isEqualTo("ENOENT");
        assertThat(rig.request(ATTACH, 16, 1, 1, 0)).isEqualTo("EINVAL");
        assertThat(rig.request(ATTACH, 16, 1, 1, 3)).isEqualTo("EINVAL");
        assertThat(rig.request(DETACH, 16, 2)).isEqualTo("EINVAL");
        assertThat(rig.request(DETACH, 16)).as("nothing attached").isEqualTo("0");
    }
}
