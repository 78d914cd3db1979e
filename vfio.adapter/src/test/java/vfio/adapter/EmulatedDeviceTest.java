package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.dma.DmaStatus;
import iommufd.api.node.OpenNode;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;

/** A device without an endpoint reaches memory by an access. */
class EmulatedDeviceTest {
    private static final int RAM = 1 << 20;

    private final Rig rig = new Rig();
    private final TestDevice model = new TestDevice(TestDevice.builder(0, 9).access(true).build());
    private OpenNode file;
    private int iommufd;
    private Ioas ioas;

    @BeforeEach
    void open() {
        file = rig.open(rig.add(model));
        iommufd = rig.iommufd();
        rig.bind(file, iommufd);
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        ioas = rig.ioas(iommufd);
    }

    @AfterEach
    void close() {
        file.close();
        rig.close();
    }

    private long word(int offset) {
        return rig.client.at(TestClient.BUFFER + offset, 8).get(ValueLayout.JAVA_LONG, 0);
    }

    @Test
    void itsDmaReachesTheClient() {
        rig.command(file, 1, RAM, 5);
        assertThat(model.running.status()).as("not attached").isEqualTo(DmaStatus.FAULTED);
        assertThat(rig.attach(file, ioas.id())).as("there is no page table").isEqualTo(ioas.id());
        rig.command(file, 1, RAM, 5);
        assertThat(model.running.status()).isEqualTo(DmaStatus.DONE);
        assertThat(word(0)).isEqualTo(5);
        rig.command(file, 7, RAM, 37);
        assertThat(model.running.status()).isEqualTo(DmaStatus.DONE);
        assertThat(word(0)).isEqualTo(42);
        rig.command(file, 2, RAM, 0);
        assertThat(rig.read(file, TestDevice.VALUE, 8)).isEqualTo(42);
        rig.command(file, 2, RAM + (1 << 16), 0);
        assertThat(model.running.status()).as("nothing is mapped there").isEqualTo(DmaStatus.FAULTED);
        assertThat(rig.attach(file, rig.ioas(iommufd).id())).as("it moves").isPositive();
        ioas.unmapAll();
        rig.command(file, 1, RAM, 6);
        assertThat(word(0)).isEqualTo(6);
    }

    @Test
    void pageTablesAndPasidsAreNotForIt() {
        rig.client.refused(Errno.ENOENT, file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.SIZE_BYTES,
                struct -> VfioDeviceAttachIommufdPt.ptId(struct, 999));
        rig.client.refused(Errno.EOPNOTSUPP, file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT, VfioDeviceAttachIommufdPt.SIZE_BYTES, struct -> {
            VfioDeviceAttachIommufdPt.ptId(struct, ioas.id());
            VfioDeviceAttachIommufdPt.flags(struct, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_PASID);
        });
    }
}
