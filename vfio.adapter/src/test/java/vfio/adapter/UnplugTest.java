package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.uapi.VfioDeviceInfo;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.device.VfioGroup;

/** A device goes while a client has it. */
class UnplugTest {
    private static final int TELL = VfioIrqSet.VFIO_IRQ_SET_ACTION_TRIGGER | VfioIrqSet.VFIO_IRQ_SET_DATA_EVENTFD;

    @Test
    void theClientIsAskedToLetGoAndCanInTime() {
        try (Rig rig = new Rig(10_000)) {
            TestDevice model = TestDevice.at(0, 5);
            AdaptedDevice device = rig.add(model);
            OpenNode file = rig.ready(device);
            int request = rig.client.eventfd();
            assertThat(rig.setIrqs(file, TELL, VfioIrqInfo.VFIO_PCI_REQ_IRQ_INDEX, 0, 1, request)).isEqualTo("0");
            Thread unplug = Thread.ofPlatform().start(() -> rig.registry.remove(model));
            await().atMost(Duration.ofSeconds(5)).until(() -> rig.client.eventfd(request).read() > 0);
            assertThat(rig.read(file, Rig.CONFIG, 2)).as("it works on meanwhile").isEqualTo(0x1234);
            OpenNode late = rig.open(device);
            rig.refuseBind(Errno.ENODEV, late, rig.iommufd());
            file.close();
            await().atMost(Duration.ofSeconds(5)).until(() -> !unplug.isAlive());
            assertThat(model.running.closed).isTrue();
            assertThat(rig.registry.devices()).isEmpty();
            late.close();
        }
    }

    @Test
    void aClientThatDoesNotLetGoLosesIt() {
        try (Rig rig = new Rig(50)) {
            TestDevice model = TestDevice.at(0, 5);
            OpenNode file = rig.ready(rig.add(model));
            int message = rig.client.eventfd();
            assertThat(rig.setIrqs(file, TELL, VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, message)).isEqualTo("0");
            rig.registry.remove(model);
            assertThat(model.running.closed).isTrue();
            assertThat(rig.client.taken).hasValue(0);
            assertThat(rig.readRefused(file, Rig.CONFIG, 2)).isEqualTo(Errno.ENODEV);
            rig.client.refused(Errno.ENODEV, file, VfioDeviceInfo.VFIO_DEVICE_GET_INFO, VfioDeviceInfo.SIZE_BYTES, struct -> { });
            file.close();
            TestDevice again = TestDevice.at(0, 5);
            OpenNode next = rig.ready(rig.add(again));
            rig.command(next, 1, 1 << 20, 1);
            next.close();
        }
    }

    @Test
    void aGroupLosesItsDevicesToo() {
        try (Rig rig = new Rig(50)) {
            TestDevice model = TestDevice.at(0, 5);
            AdaptedDevice device = rig.add(model);
            VfioGroup.Claim claim = rig.groups.get(device.function().group()).claim();
            int iommufd = rig.iommufd();
            claim.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
            OpenNode file = claim.openDevice(device.name());
            rig.registry.remove(model);
            assertThat(rig.readRefused(file, Rig.CONFIG, 2)).isEqualTo(Errno.ENODEV);
            assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> claim.openDevice(device.name())).returns(Errno.ENODEV, IommufdException::errno);
            file.close();
            claim.close();
        }
    }

    @Test
    void devicesThatComeToAnAttachedGroupAreAttached() {
        try (Rig rig = new Rig()) {
            TestDevice first = new TestDevice(TestDevice.builder(0, 5).group(3).build());
            TestDevice second = new TestDevice(TestDevice.builder(0, 6).group(3).build());
            rig.add(first);
            VfioGroup.Claim claim = rig.groups.get(3).claim();
            int iommufd = rig.iommufd();
            claim.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
            AdaptedDevice device = rig.add(second);
            OpenNode file = claim.openDevice(device.name());
            rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
            rig.command(file, 1, 1 << 20, 5);
            assertThat(rig.client.at(TestClient.BUFFER, 8).get(java.lang.foreign.ValueLayout.JAVA_LONG, 0)).isEqualTo(5);
            file.close();
            claim.close();
        }
    }
}
