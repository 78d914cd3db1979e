package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IovaRange;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.ReservedRegion;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Who may be attached to what, and what DMA then reaches. */
class AttachRulesTest {
    private static final long IOVA = 1 << 20;
    private final Rig rig = new Rig();
    private final IommufdContext context = rig.context;

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void dmaFollowsAttachments() {
        DmaEndpoint endpoint = rig.plug(1);
        DmaPort port = endpoint.openPort();
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        BoundDevice device = context.bind(endpoint);
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        Ioas ioas = rig.mappedIoas(4);
        Hwpt hwpt = device.attach(ioas);
        assertThat(((PagingHwpt) hwpt).automatic()).isTrue();
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        assertThat(device.attached()).contains(hwpt);
        device.detach();
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        assertThat(device.attached()).isEmpty();
        device.detach();
        assertRefused(Errno.ENOENT, hwpt::destroy);
        ioas.destroy();
    }

    @Test
    void devicesShareTheAutomaticHwptUntilTheLastDetach() {
        BoundDevice first = rig.bind(1);
        BoundDevice second = rig.bind(2);
        Ioas ioas = context.allocateIoas();
        Hwpt hwpt = first.attach(ioas);
        assertThat(second.attach(ioas)).isSameAs(hwpt);
        assertRefused(Errno.EBUSY, () -> second.attach(ioas));
        assertThat(rig.hardware.domainCount()).isEqualTo(1);
        first.detach();
        assertRefused(Errno.EBUSY, hwpt::destroy);
        second.detach();
        assertThat(rig.hardware.domainCount()).isZero();
    }

    @Test
    void anAutomaticHwptOfAnotherIommuIsPassedOver() {
        FakeHardware other = new FakeHardware("other", "fake");
        rig.hardware.accepts = description -> description.requesterId().equals(Rig.id(1));
        BoundDevice first = rig.bind(1);
        rig.engine.add(other);
        BoundDevice second = rig.bind(2);
        Ioas ioas = rig.mappedIoas(1);
        Hwpt hwpt = first.attach(ioas);
        assertThat(second.attach(ioas)).isNotSameAs(hwpt);
        assertThat(other.domainCount()).isEqualTo(1);
        assertThat(rig.reaches(second.endpoint().openPort(), IOVA, 0)).isTrue();
        PagingHwpt manual = context.allocateHwpt(first, ioas, HwptOptions.none());
        assertRefused(Errno.EINVAL, () -> second.replace(manual));
    }

    @Test
    void replaceNeverLeavesTheDeviceWithoutTranslation() {
        DmaEndpoint endpoint = rig.plug(1);
        BoundDevice device = context.bind(endpoint);
        DmaPort port = endpoint.openPort();
        Ioas first = rig.mappedIoas(1);
        Ioas second = context.allocateIoas();
        second.mapAt(IOVA, rig.ram, 8 * PAGE, PAGE, DmaAccess.READ_WRITE);
        assertRefused(Errno.EINVAL, () -> device.replace(first));
        Hwpt hwpt = device.attach(first);
        assertThat(device.replace(first)).isSameAs(hwpt);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        device.replace(second);
        assertThat(rig.reaches(port, IOVA, 8 * PAGE)).isTrue();
        first.destroy();
        PagingHwpt manual = context.allocateHwpt(device, second, HwptOptions.none());
        assertThat(device.replace(manual)).isSameAs(manual);
        assertThat(rig.hardware.domainCount()).as("the automatic HWPT is gone").isEqualTo(1);
        device.destroy();
        manual.destroy();
    }

    @Test
    void aGroupHasOneHwpt() {
        DmaEndpoint[] endpoints = {rig.plug(1, 9, 0, false), rig.plug(2, 9, 0, false)};
        BoundDevice first = context.bind(endpoints[0]);
        BoundDevice second = context.bind(endpoints[1]);
        Ioas ioas = rig.mappedIoas(1);
        PagingHwpt one = context.allocateHwpt(first, ioas, HwptOptions.none());
        PagingHwpt two = context.allocateHwpt(first, ioas, HwptOptions.none());
        DmaPort port = endpoints[1].openPort();
        first.attach(one);
        assertThat(rig.reaches(port, IOVA, 0)).as("the group shares what one attaches").isTrue();
        assertRefused(Errno.EINVAL, () -> second.attach(two));
        assertRefused(Errno.EINVAL, () -> second.attach(ioas));
        assertRefused(Errno.EINVAL, () -> second.replace(two));
        second.attach(one);
        first.replace(two);
        assertThat(second.attached()).contains(two);
        one.destroy();
        first.detach();
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        assertRefused(Errno.EBUSY, two::destroy);
        second.detach();
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        two.destroy();
    }

    @Test
    void pasidsGoOnlyThroughTablesMadeForThem() {
        DmaEndpoint endpoint = rig.plug(1, 1, 8, false);
        BoundDevice device = context.bind(endpoint);
        Ioas ioas = rig.mappedIoas(1);
        PagingHwpt plain = context.allocateHwpt(device, ioas, HwptOptions.none());
        PagingHwpt forPasid = context.allocateHwpt(device, ioas, HwptOptions.forPasid());
        PagingHwpt another = context.allocateHwpt(device, ioas, HwptOptions.forPasid());
        Pasid pasid = new Pasid(5);
        assertRefused(Errno.EINVAL, () -> device.attach(pasid, plain));
        assertRefused(Errno.EINVAL, () -> device.attach(pasid, ioas));
        assertRefused(Errno.EINVAL, () -> device.replace(pasid, forPasid));
        assertRefused(Errno.EINVAL, () -> device.attach(new Pasid(256), forPasid));
        device.attach(pasid, forPasid);
        assertRefused(Errno.EBUSY, () -> device.attach(pasid, another));
        assertRefused(Errno.EINVAL, () -> device.attach(plain));
        DmaPort port = endpoint.openPort(pasid);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        assertThat(rig.reaches(endpoint.openPort(), IOVA, 0)).isFalse();
        device.replace(pasid, another);
        device.attach(forPasid);
        assertRefused(Errno.EINVAL, () -> device.replace(plain));
        assertThat(device.attached(pasid)).contains(another);
        device.detach(pasid);
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        device.replace(plain);
        assertRefused(Errno.EINVAL, () -> device.attach(pasid, forPasid));
        device.destroy();
        assertRefused(Errno.EINVAL, () -> endpoint.openPort(new Pasid(256)));
    }

    @Test
    void reservedRegionsFollowTheAttachment() {
        IovaRange window = new IovaRange(0xfee00000L, 0xfeefffffL);
        rig.hardware.reservedRegions = List.of(new ReservedRegion(window, ReservedRegion.Kind.HARDWARE_MSI));
        BoundDevice device = rig.bind(1);
        Ioas ioas = context.allocateIoas();
        ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
        assertRefused(Errno.EADDRINUSE, () -> device.attach(ioas));
        assertThat(rig.hardware.domainCount()).isZero();
        ioas.unmapAll();
        device.attach(ioas);
        assertRefused(Errno.EINVAL, () -> ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ));
        Ioas other = context.allocateIoas();
        other.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
        assertRefused(Errno.EADDRINUSE, () -> device.replace(other));
        other.unmapAll();
        device.replace(other);
        ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
        device.detach();
        other.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
    }

    @Test
    void onlySaneMsiWindowsAreAccepted() {
        IovaRange window = new IovaRange(0x8000000L, 0x80fffffL);
        ReservedRegion software = new ReservedRegion(window, ReservedRegion.Kind.SOFTWARE_MSI);
        rig.hardware.reservedRegions = List.of(software, new ReservedRegion(new IovaRange(0xfee00000L, 0xfeefffffL),
                ReservedRegion.Kind.HARDWARE_MSI));
        BoundDevice mixed = rig.bind(1);
        assertRefused(Errno.EINVAL, () -> mixed.attach(context.allocateIoas()));
        rig.hardware.reservedRegions = List.of(software);
        rig.bind(2).attach(context.allocateIoas());
    }

    /** Refuses the n-th refusable call of the backend, for every n until the operation succeeds. */
    @Test
    void aFailedAttachOrReplaceLeavesTheOldStateInForce() {
        BoundDevice first = context.bind(rig.plug(1, 3, 4, false));
        BoundDevice second = context.bind(rig.plug(2, 3, 4, false));
        Ioas old = rig.mappedIoas(2);
        Ioas next = context.allocateIoas();
        for (int page = 0; page < 4; page++) {
            next.mapAt(IOVA + 2 * page * PAGE, rig.ram, (8 + page) * PAGE, PAGE, DmaAccess.READ_WRITE);
        }
        PagingHwpt forPasid = context.allocateHwpt(first, old, HwptOptions.forPasid());
        first.attach(forPasid);
        second.attach(forPasid);
        PagingHwpt manual = context.allocateHwpt(first, next, HwptOptions.forPasid());
        assertUndone(() -> first.attach(new Pasid(3), manual));
        first.detach(new Pasid(3));
        assertUndone(() -> first.replace(manual));
        assertUndone(() -> first.replace(next));
        assertUndone(() -> context.allocateHwpt(first, next, HwptOptions.withDirtyTracking()));
        first.detach();
        second.detach();
        assertUndone(() -> first.attach(old));
        assertThat(rig.reaches(first.endpoint().openPort(), IOVA, 0)).isTrue();
    }

    private void assertUndone(Runnable operation) {
        String before = rig.hardware.attachments();
        int domains = rig.hardware.domainCount();
        for (int nth = 1; ; nth++) {
            rig.hardware.sabotage.refuseAt(nth);
            Optional<Errno> refused = Refusal.of(operation);
            if (rig.hardware.sabotage.calm()) {
                assertThat(refused).isEmpty();
                assertThat(nth).as("something can be refused").isGreaterThan(1);
                return;
            }
            assertThat(refused).as("refusal %d", nth).contains(Errno.ENOMEM);
            assertThat(rig.hardware.attachments()).as("after refusal %d", nth).isEqualTo(before);
            assertThat(rig.hardware.domainCount()).as("after refusal %d", nth).isEqualTo(domains);
        }
    }
}
