package iommufd.core.fabric;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.HardwareSwap;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.ReservedRegion;
import iommufd.core.fake.DmaTraffic;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Planned exchange of hardware under running devices. */
class HardwareSwapTest {
    private static final long IOVA = 1 << 20;
    private final Rig rig = new Rig();
    private final FakeHardware second = new FakeHardware("second", "fake");
    private final HardwareSwap swap = rig.engine.swap();

    @AfterEach
    void close() {
        rig.close();
        assertThat(second.domainCount()).isZero();
        assertThat(second.endpointCount()).isZero();
    }

    @Test
    void everyByteArrivesWhileHardwareIsExchangedAndMemoryMapped() {
        rig.engine.add(second);
        List<DmaTraffic> traffic = new ArrayList<>();
        Ioas ioas = rig.mappedIoas(64);
        for (int number = 1; number <= 3; number++) {
            DmaEndpoint endpoint = rig.plug(number, number, 4, false);
            BoundDevice device = rig.context.bind(endpoint);
            PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.forPasid());
            device.attach(hwpt);
            device.attach(new Pasid(2), hwpt);
            traffic.add(new DmaTraffic(endpoint.openPort(), IOVA + number * 8 * PAGE, 5000));
            traffic.add(new DmaTraffic(endpoint.openPort(new Pasid(2)), IOVA + number * 8 * PAGE + 3 * PAGE, 5000));
        }
        for (int round = 0; round < 12; round++) {
            traffic.forEach(queue -> queue.awaitRounds(3));
            var report = round % 2 == 0 ? swap.swap("first", "second") : swap.swap("second", "first");
            assertThat(report.endpoints()).isEqualTo(3);
            assertThat(report.domains()).isEqualTo(3);
            assertThat(report.mappedBytes()).isEqualTo(3 * 64 * PAGE);
            assertThat(report.pauseNanos()).isPositive();
            long iova = ioas.map(rig.ram, 512 * PAGE, 7 * PAGE, DmaAccess.READ);
            ioas.unmap(iova, 7 * PAGE);
        }
        traffic.forEach(DmaTraffic::close);
        assertThat(second.endpointCount()).isZero();
        assertThat(rig.hardware.endpointCount()).isEqualTo(3);
    }

    @Test
    void contextsWorkBesideSwaps() {
        rig.engine.add(second);
        List<CompletableFuture<Void>> workers = new ArrayList<>();
        for (int number = 1; number <= 2; number++) {
            BoundDevice device = rig.bind(number);
            workers.add(CompletableFuture.runAsync(() -> {
                for (int round = 0; round < 40; round++) {
                    attachReplaceAndDetach(device);
                }
            }));
        }
        int swaps = 0;
        for (; !workers.stream().allMatch(CompletableFuture::isDone); swaps++) {
            swap.swap(swaps % 2 == 0 ? "first" : "second", swaps % 2 == 0 ? "second" : "first");
        }
        workers.forEach(CompletableFuture::join);
        assertThat(swaps).isPositive();
    }

    private void attachReplaceAndDetach(BoundDevice device) {
        Ioas ioas = rig.mappedIoas(64);
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        device.attach(hwpt);
        hwpt.setDirtyTracking(true);
        try (DmaPort port = device.endpoint().openPort()) {
            touch(port, 3);
            assertThat(dirty(hwpt, true)).isEqualTo(pages(3));
        }
        device.replace(ioas);
        hwpt.destroy();
        ioas.unmapAll();
        device.detach();
        ioas.destroy();
    }

    @Test
    void namesAreChecked() {
        rig.engine.add(second);
        assertRefused(Errno.ENODEV, () -> swap.swap("first", "third"));
        assertRefused(Errno.EINVAL, () -> swap.swap("first", "first"));
        assertThat(swap.hardware()).containsExactly(new HardwareState("first", "fake", HardwareState.State.SERVING, 0, 0),
                new HardwareState("second", "fake", HardwareState.State.STANDBY, 0, 0));
        swap.swap("first", "second");
        assertThat(swap.hardware().getFirst().name()).as("new endpoints go where the swap went").isEqualTo("second");
        rig.plug(1).close();
    }

    /** Refuses the n-th refusable call of the successor, for every n. */
    @Test
    void aSuccessorThatRefusesChangesNothing() {
        rig.engine.add(second);
        DmaEndpoint endpoint = rig.plug(1, 1, 4, false);
        BoundDevice device = rig.context.bind(endpoint);
        Ioas ioas = rig.mappedIoas(4);
        PagingHwpt parent = rig.context.allocateHwpt(device, ioas, new HwptOptions(true, true, true, Optional.empty()));
        parent.setDirtyTracking(true);
        Viommu viommu = rig.context.allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
        viommu.allocateVdevice(device, 3);
        device.attach(viommu.allocateNestedHwpt(device, Rig.shiftedBy(IOVA), Optional.empty(), true));
        device.attach(new Pasid(1), parent);
        DmaPort port = endpoint.openPort();
        String before = rig.hardware.attachments();
        int refusals = 0;
        while (true) {
            second.sabotage.refuseAt(refusals + 1);
            boolean swapped = attempt();
            if (second.sabotage.calm()) {
                assertThat(swapped).isTrue();
                break;
            }
            refusals++;
            assertThat(swapped).isFalse();
            assertThat(rig.hardware.attachments()).as("refusal %d", refusals).isEqualTo(before);
            assertThat(second.domainCount()).as("refusal %d", refusals).isZero();
            assertThat(second.endpointCount()).as("refusal %d", refusals).isZero();
            assertThat(second.viommuCount()).as("refusal %d", refusals).isZero();
            assertThat(rig.reaches(port, 0, 0)).isTrue();
        }
        assertThat(refusals).isGreaterThanOrEqualTo(8);
        assertThat(rig.reaches(port, 0, 0)).isTrue();
        assertThat(rig.hardware.endpointCount()).isZero();
        assertThat(rig.hardware.viommuCount()).isZero();
        assertThat(second.viommu(0).devices).containsOnlyKeys(3L);
    }

    private boolean attempt() {
        try {
            swap.swap("first", "second");
            return true;
        } catch (IommufdException refused) {
            assertThat(refused.errno()).isEqualTo(Errno.ENOMEM);
            return false;
        }
    }

    @Test
    void nestedTablesMoveOnlyWithinAVendor() {
        FakeHardware foreign = new FakeHardware("foreign", "otherVendor");
        rig.engine.add(foreign);
        rig.engine.add(second);
        DmaEndpoint endpoint = rig.plug(1);
        BoundDevice device = rig.context.bind(endpoint);
        Ioas ioas = rig.mappedIoas(16);
        PagingHwpt parent = rig.context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        Viommu viommu = rig.context.allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
        EventQueue events = viommu.allocateEventQueue(1, 4);
        viommu.allocateHwQueue(1, 3, IOVA + 8 * PAGE, PAGE);
        device.attach(viommu.allocateNestedHwpt(device, Rig.shiftedBy(IOVA), Optional.empty()));
        DmaPort port = endpoint.openPort();
        assertRefused(Errno.EBUSY, () -> swap.swap("first", "foreign"));
        assertThat(foreign.endpointCount()).isZero();
        assertThat(rig.reaches(port, 0, 0)).isTrue();
        swap.swap("first", "second");
        assertThat(rig.reaches(port, 0, 0)).isTrue();
        assertThat(second.viommu(0).queues).containsEntry(3, rig.ram.physicalAddress() + 8 * PAGE);
        second.viommu(0).events.get(1).event(new byte[] {5});
        assertThat(events.read()).get().satisfies(event -> assertThat(event.payload()).containsExactly(5));
    }

    @Test
    void noDirtyPageIsLost() {
        rig.engine.add(second);
        DmaEndpoint endpoint = rig.plug(1);
        BoundDevice device = rig.context.bind(endpoint);
        Ioas ioas = rig.mappedIoas(64);
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        device.attach(hwpt);
        hwpt.setDirtyTracking(true);
        DmaPort port = endpoint.openPort();
        touch(port, 3);
        swap.swap("first", "second");
        touch(port, 5);
        swap.swap("second", "first");
        touch(port, 9);
        assertThat(dirty(hwpt, false)).isEqualTo(pages(3, 5, 9));
        assertThat(dirty(hwpt, true)).isEqualTo(pages(3, 5, 9));
        assertThat(dirty(hwpt, true)).isEqualTo(pages());
        touch(port, 7);
        swap.swap("first", "second");
        hwpt.setDirtyTracking(true);
        assertThat(dirty(hwpt, true)).as("enabling forgets").isEqualTo(pages());
        hwpt.setDirtyTracking(false);
        assertRefused(Errno.EINVAL, () -> dirty(hwpt, true));
    }

    @Test
    void dirtyReadsAreValidated() {
        BoundDevice device = rig.bind(1);
        Ioas ioas = rig.mappedIoas(4);
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        PagingHwpt plain = rig.context.allocateHwpt(device, ioas, HwptOptions.none());
        MemorySegment bitmap = MemorySegment.ofArray(new byte[8]);
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA, PAGE, PAGE, bitmap, true));
        hwpt.setDirtyTracking(true);
        assertRefused(Errno.EOPNOTSUPP, () -> plain.readDirty(IOVA, PAGE, PAGE, bitmap, true));
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA, 0, PAGE, bitmap, true));
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA + 1, PAGE, PAGE, bitmap, true));
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA, PAGE, 3000, bitmap, true));
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA + PAGE, PAGE, 2 * PAGE, bitmap, true));
        assertRefused(Errno.EINVAL, () -> hwpt.readDirty(IOVA, 128 * PAGE, PAGE, bitmap, true));
        assertRefused(Errno.EOVERFLOW, () -> hwpt.readDirty(-PAGE, 2 * PAGE, PAGE, bitmap, true));
    }

    @Test
    void reservedRegionsOfTheSuccessorCount() {
        IovaRange window = new IovaRange(0xfee00000L, 0xfeefffffL);
        second.reservedRegions = List.of(new ReservedRegion(window, ReservedRegion.Kind.HARDWARE_MSI));
        rig.engine.add(second);
        BoundDevice device = rig.bind(1);
        Ioas ioas = rig.context.allocateIoas();
        ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
        Hwpt hwpt = device.attach(ioas);
        assertRefused(Errno.EADDRINUSE, () -> swap.swap("first", "second"));
        ioas.unmapAll();
        swap.swap("first", "second");
        assertRefused(Errno.EINVAL, () -> ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ));
        swap.swap("second", "first");
        ioas.mapAt(window.start(), rig.ram, 0, PAGE, DmaAccess.READ);
        assertThat(device.attached()).contains(hwpt);
    }

    private static void touch(DmaPort port, int page) {
        assertThat(port.write(IOVA + page * PAGE + 17, MemorySegment.ofArray(new byte[4]), 0, 4)).isEqualTo(DmaStatus.DONE);
    }

    private static BitSet dirty(PagingHwpt hwpt, boolean clear) {
        byte[] bits = new byte[8];
        hwpt.readDirty(IOVA, 64 * PAGE, PAGE, MemorySegment.ofArray(bits), clear);
        return BitSet.valueOf(bits);
    }

    private static BitSet pages(int... pages) {
        BitSet set = new BitSet();
        for (int page : pages) {
            set.set(page);
        }
        return set;
    }
}
