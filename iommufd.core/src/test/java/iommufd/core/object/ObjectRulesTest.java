package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.InvalidationEntries;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.PinAccounting;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.memory.PinnedRuns;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Numbers, lifetimes and errno of objects. */
class ObjectRulesTest {
    private final Rig rig = new Rig();
    private final IommufdContext context = rig.context;

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void numbersAreTheLowestThatAreFree() {
        Ioas first = context.allocateIoas();
        Ioas second = context.allocateIoas();
        Ioas third = context.allocateIoas();
        assertThat(new int[] {first.id(), second.id(), third.id()}).containsExactly(1, 2, 3);
        context.destroy(2);
        assertThat(context.allocateFaultQueue().id()).isEqualTo(2);
        assertRefused(Errno.ENOENT, second::destroy);
        assertRefused(Errno.ENOENT, second::iovaRanges);
        assertRefused(Errno.ENOENT, () -> context.object(9));
        assertThat(context.object(3)).isSameAs(third);
    }

    @Test
    void usedObjectsAreBusy() {
        BoundDevice device = rig.bind(1);
        Ioas ioas = context.allocateIoas();
        PagingHwpt parent = context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        NestedHwpt nested = context.allocateNestedHwpt(device, parent, Rig.shiftedBy(0), Optional.empty());
        device.attach(nested);
        assertRefused(Errno.EBUSY, ioas::destroy);
        assertRefused(Errno.EBUSY, parent::destroy);
        assertRefused(Errno.EBUSY, nested::destroy);
        device.detach();
        nested.destroy();
        parent.destroy();
        ioas.destroy();
    }

    @Test
    void aClosedContextAnswersEbadf() {
        BoundDevice device = rig.bind(1);
        Ioas ioas = rig.mappedIoas(4);
        device.attach(ioas);
        context.close();
        context.close();
        assertRefused(Errno.EBADF, context::allocateIoas);
        assertRefused(Errno.EBADF, () -> ioas.unmap(0, PAGE));
        assertRefused(Errno.EBADF, device::detach);
        assertRefused(Errno.EBADF, device::hardwareInfo);
        assertRefused(Errno.EBADF, ioas::destroy);
    }

    @Test
    void closingWithEverythingInUseGivesEverythingBack() {
        DmaEndpoint endpoint = rig.plug(1, 1, 8, false);
        BoundDevice device = context.bind(endpoint);
        Ioas ioas = rig.mappedIoas(16);
        PagingHwpt parent = context.allocateHwpt(device, ioas, new HwptOptions(true, false, true, Optional.empty()));
        var viommu = context.allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
        viommu.allocateVdevice(device, 7);
        viommu.allocateEventQueue(1, 4);
        viommu.allocateHwQueue(1, 0, 1 << 20, PAGE);
        var faults = context.allocateFaultQueue();
        device.attach(viommu.allocateNestedHwpt(device, Rig.shiftedBy(0), Optional.of(faults), true));
        Access access = context.createAccess((iova, length) -> { });
        access.attach(ioas);
        access.pin(1 << 20, PAGE, true, new PinnedRuns(1));
        context.setVfioIoas(Optional.of(ioas));
        context.close();
        assertThat(rig.hardware.domainCount()).isZero();
        assertThat(rig.hardware.viommuCount()).isZero();
        IommufdContext next = rig.engine.service().open();
        next.bind(endpoint).attach(next.allocateIoas());
        next.close();
    }

    @Test
    void anEndpointIsBoundOnce() {
        DmaEndpoint endpoint = rig.plug(1, 5, 0, false);
        DmaEndpoint sibling = rig.plug(2, 5, 0, false);
        BoundDevice device = context.bind(endpoint);
        assertRefused(Errno.EBUSY, () -> context.bind(endpoint));
        IommufdContext other = rig.engine.service().open();
        assertRefused(Errno.EBUSY, () -> other.bind(endpoint));
        assertRefused(Errno.EBUSY, () -> other.bind(sibling));
        assertRefused(Errno.EBUSY, endpoint::close);
        BoundDevice second = context.bind(sibling);
        device.destroy();
        second.destroy();
        other.bind(sibling);
        other.close();
        endpoint.close();
        assertRefused(Errno.ENODEV, () -> context.bind(endpoint));
    }

    @Test
    void anEndpointWithoutHardwareCannotBeBound() {
        rig.hardware.accepts = description -> false;
        DmaEndpoint endpoint = rig.plug(1);
        assertRefused(Errno.ENODEV, () -> context.bind(endpoint));
        endpoint.close();
    }

    @Test
    void hwptOptionsAreChecked() {
        BoundDevice device = rig.bind(1);
        Ioas ioas = context.allocateIoas();
        var faults = context.allocateFaultQueue();
        assertRefused(Errno.EOPNOTSUPP,
                () -> context.allocateHwpt(device, ioas, new HwptOptions(true, false, false, Optional.of(faults))));
        rig.hardware.tracksDirty = false;
        BoundDevice plain = rig.bind(2);
        assertRefused(Errno.EOPNOTSUPP, () -> context.allocateHwpt(plain, ioas, HwptOptions.withDirtyTracking()));
        PagingHwpt hwpt = context.allocateHwpt(device, ioas, new HwptOptions(false, false, false, Optional.of(faults)));
        assertRefused(Errno.EBUSY, faults::destroy);
        assertRefused(Errno.EOPNOTSUPP, () -> hwpt.setDirtyTracking(true));
        hwpt.destroy();
        faults.destroy();
    }

    @Test
    void nestedTablesNeedAParentMadeForThem() {
        BoundDevice device = rig.bind(1);
        Ioas ioas = context.allocateIoas();
        PagingHwpt plain = context.allocateHwpt(device, ioas, HwptOptions.none());
        assertRefused(Errno.EINVAL, () -> context.allocateNestedHwpt(device, plain, Rig.shiftedBy(0), Optional.empty()));
        PagingHwpt parent = context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        assertRefused(Errno.EOPNOTSUPP,
                () -> context.allocateNestedHwpt(device, parent, new NestedTable(1, new byte[0]), Optional.empty()));
        assertRefused(Errno.EOPNOTSUPP,
                () -> context.allocateNestedHwpt(device, parent, new NestedTable(9, new byte[8]), Optional.empty()));
        assertRefused(Errno.EINVAL,
                () -> context.allocateNestedHwpt(device, parent, new NestedTable(1, new byte[3]), Optional.empty()));
        NestedHwpt nested = context.allocateNestedHwpt(device, parent, Rig.shiftedBy(0), Optional.empty());
        var result = nested.invalidate(new InvalidationEntries(1, 16, 3, MemorySegment.ofArray(new byte[48])));
        assertThat(result.done()).isEqualTo(3);
        assertRefused(Errno.EINVAL, () -> nested.invalidate(new InvalidationEntries(1, 16, 4, MemorySegment.ofArray(new byte[48]))));
        assertRefused(Errno.EINVAL, () -> nested.invalidate(new InvalidationEntries(1, 0, 1, MemorySegment.ofArray(new byte[48]))));
    }

    @Test
    void objectsOfAnotherContextAreUnknown() {
        BoundDevice device = rig.bind(1);
        IommufdContext other = rig.engine.service().open();
        Ioas foreign = other.allocateIoas();
        assertRefused(Errno.ENOENT, () -> device.attach(foreign));
        assertRefused(Errno.ENOENT, () -> context.allocateHwpt(device, foreign, HwptOptions.none()));
        assertRefused(Errno.ENOENT, () -> context.allocateIoas().copy(foreign, 0, PAGE, DmaAccess.READ));
        assertRefused(Errno.ENOENT, () -> context.setVfioIoas(Optional.of(foreign)));
        other.close();
    }

    @Test
    void accountingChangesOnlyBeforeTheFirstObject() {
        context.setPinAccounting(PinAccounting.PROCESS);
        assertThat(context.pinAccounting()).isEqualTo(PinAccounting.PROCESS);
        Ioas ioas = context.allocateIoas();
        assertRefused(Errno.EBUSY, () -> context.setPinAccounting(PinAccounting.USER));
        ioas.destroy();
        context.setPinAccounting(PinAccounting.USER);
        IommufdContext poor = rig.engine.service().open(new ContextOwner(1, 77, 1 << 20, false, false));
        assertRefused(Errno.EPERM, () -> poor.setPinAccounting(PinAccounting.PROCESS));
        poor.close();
    }

    @Test
    void pinsAreChargedAndChangeProcessMovesThem() {
        IommufdContext poor = rig.engine.service().open(new ContextOwner(1, 77, 4 * PAGE, false, false));
        BoundDevice device = poor.bind(rig.plug(3));
        Ioas ioas = poor.allocateIoas();
        device.attach(ioas);
        assertRefused(Errno.ENOMEM, () -> ioas.map(rig.ram, 0, 5 * PAGE, DmaAccess.READ));
        ioas.mapAt(0x100000, rig.ram, 0, 4 * PAGE, DmaAccess.READ);
        assertRefused(Errno.ENOMEM, () -> poor.changeProcess(new ContextOwner(2, 78, 3 * PAGE, false, false)));
        poor.changeProcess(new ContextOwner(2, 78, 8 * PAGE, false, false));
        ioas.mapAt(0x200000, rig.ram, 4 * PAGE, 4 * PAGE, DmaAccess.READ);
        assertRefused(Errno.ENOMEM, () -> ioas.map(rig.ram, 8 * PAGE, PAGE, DmaAccess.READ));
        poor.close();
    }

    @Test
    void theVfioIoasIsForgottenWithItsIoas() {
        Ioas ioas = context.allocateIoas();
        context.setVfioIoas(Optional.of(ioas));
        assertThat(context.vfioIoas()).contains(ioas);
        ioas.destroy();
        assertThat(context.vfioIoas()).isEmpty();
    }

    @Test
    void anAccessIsConnectedToOneIoas() {
        Ioas ioas = rig.mappedIoas(4);
        Ioas other = rig.mappedIoas(2);
        int[] asked = new int[1];
        Access[] self = new Access[1];
        Access access = self[0] = context.createAccess((iova, length) -> {
            if (asked[0]++ == 0) {
                self[0].unpin(1 << 20, 2 * PAGE);
            }
        });
        assertRefused(Errno.ENOENT, () -> access.pin(1 << 20, PAGE, true, new PinnedRuns(1)));
        assertRefused(Errno.ENOENT, () -> access.replace(ioas));
        access.attach(ioas);
        assertRefused(Errno.EINVAL, () -> access.attach(other));
        assertRefused(Errno.EBUSY, ioas::destroy);
        PinnedRuns runs = new PinnedRuns(1);
        access.pin(1 << 20, 2 * PAGE, true, runs);
        assertThat(runs.physicalAddress(0)).isEqualTo(rig.ram.physicalAddress());
        access.replace(other);
        assertThat(asked[0]).isPositive();
        assertThat(access.ioas()).contains(other);
        ioas.destroy();
        access.write(1 << 20, MemorySegment.ofArray(new byte[] {42}));
        assertThat(rig.ram.segment().get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
        access.destroy();
        other.destroy();
        assertRefused(Errno.ENOENT, () -> access.read(0, MemorySegment.ofArray(new byte[1])));
    }

    @Test
    void anAccessThatNeverPinsNeedsNoCallbacks() {
        Ioas ioas = rig.mappedIoas(1);
        Access access = context.createAccess(AccessClient.withoutPins());
        access.attach(ioas);
        ioas.unmapAll();
        access.detach();
        access.detach();
        assertThat(access.ioas()).isEmpty();
    }
}
