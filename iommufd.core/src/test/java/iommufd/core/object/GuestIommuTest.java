package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.HwQueue;
import iommufd.api.HwptOptions;
import iommufd.api.InvalidationEntries;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.NestedHwpt;
import iommufd.api.PagingHwpt;
import iommufd.api.Vdevice;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaPort;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** vIOMMUs and what lives in them. */
class GuestIommuTest {
    private static final long IOVA = 1 << 20;
    private final Rig rig = new Rig();
    private final IommufdContext context = rig.context;
    private BoundDevice device;
    private Ioas ioas;
    private PagingHwpt parent;
    private Viommu viommu;

    @BeforeEach
    void open() {
        device = rig.bind(1);
        ioas = rig.mappedIoas(16);
        parent = context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        viommu = context.allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
    }

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void needsANestParentAndAKnownType() {
        PagingHwpt plain = context.allocateHwpt(device, ioas, HwptOptions.none());
        assertRefused(Errno.EINVAL, () -> context.allocateViommu(device, plain, new ViommuTable(1, new byte[0])));
        assertRefused(Errno.EOPNOTSUPP, () -> context.allocateViommu(device, parent, new ViommuTable(0, new byte[0])));
        assertRefused(Errno.EOPNOTSUPP, () -> context.allocateViommu(device, parent, new ViommuTable(9, new byte[0])));
        assertRefused(Errno.EBUSY, parent::destroy);
        viommu.destroy();
        parent.destroy();
    }

    @Test
    void aDeviceHasOneNumberInOneGuest() {
        Vdevice vdevice = viommu.allocateVdevice(device, 0xffff_ffff_0000_0001L);
        assertThat(vdevice.virtualId()).isEqualTo(0xffff_ffff_0000_0001L);
        assertRefused(Errno.EEXIST, () -> viommu.allocateVdevice(device, 2));
        BoundDevice other = rig.bind(2);
        assertRefused(Errno.EEXIST, () -> viommu.allocateVdevice(other, 0xffff_ffff_0000_0001L));
        assertThat(rig.hardware.viommu(0).devices).hasSize(1);
        assertRefused(Errno.EBUSY, viommu::destroy);
        vdevice.destroy();
        assertThat(rig.hardware.viommu(0).devices).isEmpty();
        viommu.allocateVdevice(other, 0xffff_ffff_0000_0001L).destroy();
        viommu.destroy();
    }

    @Test
    void aDeviceBehindAnotherIommuIsRefused() {
        rig.hardware.accepts = description -> false;
        rig.engine.add(new FakeHardware("other", "fake"));
        BoundDevice elsewhere = rig.bind(2);
        assertRefused(Errno.EINVAL, () -> viommu.allocateVdevice(elsewhere, 2));
        assertRefused(Errno.EINVAL, () -> context.allocateViommu(elsewhere, parent, new ViommuTable(1, new byte[0])));
        assertRefused(Errno.EINVAL, () -> context.allocateNestedHwpt(elsewhere, parent, Rig.shiftedBy(0), Optional.empty()));
        assertRefused(Errno.EINVAL, () -> viommu.allocateNestedHwpt(elsewhere, Rig.shiftedBy(0), Optional.empty()));
    }

    @Test
    void unbindingLeavesATombstoneOfTheVdevice() {
        Vdevice vdevice = viommu.allocateVdevice(device, 5);
        int number = vdevice.id();
        device.destroy();
        assertRefused(Errno.ENOENT, () -> context.destroy(number));
        assertRefused(Errno.ENOENT, vdevice::destroy);
        int[] next = {context.allocateIoas().id(), context.allocateIoas().id(), context.allocateIoas().id()};
        assertThat(next).doesNotContain(number);
        viommu.destroy();
    }

    @Test
    void dmaGoesThroughBothStages() {
        NestedHwpt nested = viommu.allocateNestedHwpt(device, Rig.shiftedBy(IOVA), Optional.empty());
        device.attach(nested);
        DmaPort port = device.endpoint().openPort();
        assertThat(rig.reaches(port, 3 * PAGE, 3 * PAGE)).isTrue();
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        assertThat(viommu.invalidate(new InvalidationEntries(1, 16, 2, MemorySegment.ofArray(new byte[32]))).done()).isEqualTo(2);
        assertRefused(Errno.EBUSY, viommu::destroy);
        device.detach();
        nested.destroy();
        viommu.destroy();
    }

    @Test
    void aFullEventQueueEndsWithOneRecordOfLosses() throws InterruptedException {
        assertRefused(Errno.EOPNOTSUPP, () -> viommu.allocateEventQueue(0, 2));
        assertRefused(Errno.EINVAL, () -> viommu.allocateEventQueue(1, 0));
        assertRefused(Errno.EINVAL, () -> viommu.allocateEventQueue(1, (1 << 19) + 1));
        assertRefused(Errno.EOPNOTSUPP, () -> viommu.allocateEventQueue(2, 2));
        EventQueue queue = viommu.allocateEventQueue(1, 2);
        assertRefused(Errno.EEXIST, () -> viommu.allocateEventQueue(1, 2));
        AtomicInteger arrivals = new AtomicInteger();
        queue.onReadable(arrivals::incrementAndGet);
        assertThat(queue.awaitReadable(Duration.ofMillis(1))).isFalse();
        var sink = rig.hardware.viommu(0).events.get(1);
        for (byte n = 0; n < 5; n++) {
            sink.event(new byte[] {n});
        }
        assertThat(arrivals).hasValue(5);
        assertThat(queue.awaitReadable(Duration.ofSeconds(1))).isTrue();
        assertThat(queue.read()).get().returns(0, EventQueue.Event::sequence).returns(false, EventQueue.Event::lost)
                .satisfies(event -> assertThat(event.payload()).containsExactly(0));
        assertThat(queue.read()).get().returns(1, EventQueue.Event::sequence);
        assertThat(queue.read()).get().returns(4, EventQueue.Event::sequence).returns(true, EventQueue.Event::lost);
        assertThat(queue.read()).isEmpty();
        for (byte n = 0; n < 3; n++) {
            sink.event(new byte[] {n});   // 5, 6, lost 7
        }
        queue.read();
        sink.event(new byte[] {9});   // takes the place of the record of the loss
        assertThat(queue.read()).get().returns(6, EventQueue.Event::sequence);
        assertThat(queue.read()).get().returns(8, EventQueue.Event::sequence).returns(false, EventQueue.Event::lost);
        assertRefused(Errno.EBUSY, viommu::destroy);
        queue.destroy();
        assertThat(rig.hardware.viommu(0).events).isEmpty();
    }

    @Test
    void aHardwareQueueIsPinnedContiguousAndCannotBeUnmapped() {
        assertRefused(Errno.EOPNOTSUPP, () -> viommu.allocateHwQueue(0, 0, IOVA, PAGE));
        assertRefused(Errno.EINVAL, () -> viommu.allocateHwQueue(1, 0, IOVA, 0));
        assertRefused(Errno.EOVERFLOW, () -> viommu.allocateHwQueue(1, 0, -PAGE, 2 * PAGE));
        assertRefused(Errno.ENOENT, () -> viommu.allocateHwQueue(1, 0, 0, PAGE));
        assertRefused(Errno.EOPNOTSUPP, () -> viommu.allocateHwQueue(3, 0, IOVA, PAGE));
        assertRefused(Errno.EINVAL, () -> viommu.allocateHwQueue(1, 17, IOVA, PAGE));
        ioas.mapAt(IOVA + 16 * PAGE, rig.ram, 32 * PAGE, PAGE, DmaAccess.READ_WRITE);
        assertRefused(Errno.EFAULT, () -> viommu.allocateHwQueue(1, 0, IOVA + 15 * PAGE, 2 * PAGE));
        HwQueue queue = viommu.allocateHwQueue(1, 2, IOVA + 64, 2 * PAGE);
        assertThat(queue.index()).isEqualTo(2);
        assertThat(rig.hardware.viommu(0).queues).containsEntry(2, rig.ram.physicalAddress() + 64);
        assertRefused(Errno.EEXIST, () -> viommu.allocateHwQueue(1, 2, IOVA, PAGE));
        assertRefused(Errno.EBUSY, () -> ioas.unmap(IOVA, 16 * PAGE));
        assertRefused(Errno.EBUSY, viommu::destroy);
        queue.destroy();
        assertThat(rig.hardware.viommu(0).queues).isEmpty();
        assertThat(ioas.unmapAll()).isEqualTo(17 * PAGE);
    }
}
