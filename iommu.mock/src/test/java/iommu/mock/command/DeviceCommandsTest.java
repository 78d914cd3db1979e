package iommu.mock.command;

import static iommu.mock.command.Client.APERTURE;
import static iommu.mock.command.Client.BUFFER;
import static iommu.mock.command.Client.PAGE;
import static iommu.mock.command.Client.int32;
import static iommu.mock.command.Client.int64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommu.mock.hardware.MockDomain;
import iommu.mock.hardware.VendorData;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.HardwareInfo.Capability;
import iommufd.api.HwptOptions;
import iommufd.api.HwQueue;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Mock devices: what they are attached to, what they ask and what guests learn of them. */
class DeviceCommandsTest {
    private static final int CREATE = TestOperation.MOCK_DOMAIN;
    private static final int REPLACE = TestOperation.MOCK_DOMAIN_REPLACE;
    private static final int CREATE_WITH_FLAGS = TestOperation.MOCK_DOMAIN_FLAGS;
    private static final int CHECK_IOTLB = TestOperation.MD_CHECK_IOTLB;
    private static final int TRIGGER_IOPF = TestOperation.TRIGGER_IOPF;
    private static final int CHECK_CACHE = TestOperation.DEV_CHECK_CACHE;
    private static final int TRIGGER_VEVENT = TestOperation.TRIGGER_VEVENT;
    private static final int PASID_ATTACH = TestOperation.PASID_ATTACH;
    private static final int PASID_REPLACE = TestOperation.PASID_REPLACE;
    private static final int PASID_DETACH = TestOperation.PASID_DETACH;
    private static final int PASID_CHECK = TestOperation.PASID_CHECK_HWPT;
    private static final int DMABUF_GET = TestOperation.DMABUF_GET;
    private static final int DMABUF_REVOKE = TestOperation.DMABUF_REVOKE;
    private static final int NO_DIRTY = 1;
    private static final int PASIDS = 1 << 2;

    private final Client client = new Client();
    private final Ioas ioas = client.context().allocateIoas();

    @AfterEach
    void close() {
        client.close();
    }

    private BoundDevice bound(Client.Device device) {
        return (BoundDevice) client.context().object(device.idevId());
    }

    private static NestedTable nested(int iotlb) {
        return new NestedTable(VendorData.TABLE, words(iotlb));
    }

    private static byte[] words(int... words) {
        return MemorySegment.ofArray(words).toArray(ValueLayout.JAVA_BYTE);
    }

    private static void refuses(Errno errno, ThrowingCallable call) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(call).extracting(IommufdException::errno).isEqualTo(errno);
    }

    @Test
    void shouldNumberObjectsAsLinuxDoes() {
        Client.Device device = client.device(ioas.id(), 0);
        assertThat(device).isEqualTo(new Client.Device(2, 4, 3));
        assertThat(client.destroy(device.idevId())).isEqualTo("EBUSY");
        assertThat(client.destroy(device.stdevId())).isEqualTo("0");
        assertThat(client.destroy(device.idevId())).isEqualTo("ENOENT");
        assertThat(client.destroy(ioas.id())).isEqualTo("0");
    }

    @Test
    void shouldLeaveNothingBehindWhenItCannotAttach() {
        client.refused(Errno.ENOENT, CREATE, 99, struct -> { });
        client.refused(Errno.EINVAL, CREATE_WITH_FLAGS, ioas.id(), int32(TestCommand.DOMAIN_DEVICE_FLAGS, 2));
        FaultQueue noTable = client.context().allocateFaultQueue();
        client.refused(Errno.EINVAL, CREATE, noTable.id(), struct -> { });
        assertThat(client.device(ioas.id(), 0)).isEqualTo(new Client.Device(3, 5, 4));
        client.refused(Errno.EINVAL, CREATE, 3, struct -> { });
    }

    @Test
    void filesMayOutliveTheEngine() {
        client.device(ioas.id(), 0);
        client.map(ioas, APERTURE, BUFFER, PAGE);
        client.granted(TestOperation.CREATE_ACCESS, ioas.id(), int32(TestCommand.ACCESS_FLAGS, 1));
        int access = client.out(TestCommand.ACCESS_OUT_FD);
        client.endRuntime();
        client.file.close();
        client.close(access);
    }

    @Test
    void shouldTellWhatADeviceCan() {
        assertThat(bound(client.device(ioas.id(), PASIDS)).hardwareInfo()).satisfies(info -> {
            assertThat(info.type()).isEqualTo(0xfeedbeef);
            assertThat(info.bytes()).isEqualTo(words(0, 0xdeadbeef));
            assertThat(info.capabilities()).containsExactlyInAnyOrder(Capability.DIRTY_TRACKING, Capability.ATS_NOT_SUPPORTED);
            assertThat(info.pasidBits()).isEqualTo(20);
        });
        BoundDevice plain = bound(client.device(ioas.id(), NO_DIRTY));
        assertThat(plain.hardwareInfo().capabilities()).containsExactly(Capability.ATS_NOT_SUPPORTED);
        assertThat(plain.hardwareInfo().pasidBits()).isZero();
        refuses(Errno.EOPNOTSUPP, () -> client.context().allocateHwpt(plain, ioas, HwptOptions.withDirtyTracking()));
    }

    @Test
    void aDeviceWithoutDirtyTrackingDoesNotJoinATableThatTracks() {
        Client.Device device = client.device(ioas.id(), 0);
        PagingHwpt tracking = client.context().allocateHwpt(bound(device), ioas, HwptOptions.withDirtyTracking());
        client.refused(Errno.EINVAL, CREATE_WITH_FLAGS, tracking.id(), int32(TestCommand.DOMAIN_DEVICE_FLAGS, NO_DIRTY));
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, tracking.id()));
        assertThat(client.out(TestCommand.REPLACE_PT_ID)).isEqualTo(tracking.id());
        assertThat(client.destroy(tracking.id())).isEqualTo("EBUSY");
        client.refused(Errno.ENOENT, REPLACE, device.idevId(), int32(TestCommand.REPLACE_PT_ID, ioas.id()));
    }

    private Viommu viommu(BoundDevice device, PagingHwpt parent) {
        return client.context().allocateViommu(device, parent, new ViommuTable(VendorData.VIOMMU, new byte[0]));
    }

    private static InvalidationEntries entries(int type, int entryBytes, int... words) {
        return new InvalidationEntries(type, entryBytes, words.length * 4 / entryBytes, MemorySegment.ofArray(words));
    }

    @Test
    void invalidationOfANestedTableStopsAtTheFirstBadEntry() {
        BoundDevice device = bound(client.device(ioas.id(), 0));
        PagingHwpt parent = client.context().allocateHwpt(device, ioas, HwptOptions.asNestParent());
        NestedHwpt table = client.context().allocateNestedHwpt(device, parent, nested(0xabc), Optional.empty());
        client.granted(CHECK_IOTLB, table.id(), int32(TestCommand.IOTLB_ID, 3).andThen(int32(TestCommand.IOTLB_VALUE, 0xabc)));
        assertThat(table.invalidate(entries(VendorData.TABLE_INVALIDATION, 8, 0, 1, 2, 2)))
                .isEqualTo(new InvalidationResult(1, Optional.of(Errno.EOPNOTSUPP)));
        assertThat(table.invalidate(entries(VendorData.TABLE_INVALIDATION, 8, 0, 4))).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EINVAL)));
        client.granted(CHECK_IOTLB, table.id(), int32(TestCommand.IOTLB_ID, 1));
        client.refused(Errno.EINVAL, CHECK_IOTLB, table.id(), int32(TestCommand.IOTLB_ID, 2));
        client.refused(Errno.EINVAL, CHECK_IOTLB, table.id(), int32(TestCommand.IOTLB_ID, 4));
        assertThat(table.invalidate(entries(VendorData.TABLE_INVALIDATION, 8, 1, 99))).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EINVAL)));
        assertThat(table.invalidate(entries(VendorData.TABLE_INVALIDATION, 8, 1, 0))).isEqualTo(InvalidationResult.complete(1));
        client.granted(CHECK_IOTLB, table.id(), int32(TestCommand.IOTLB_ID, 2));
        refuses(Errno.EOPNOTSUPP, () -> client.context().allocateNestedHwpt(device, parent, new NestedTable(1, words(1)), Optional.empty()));
        refuses(Errno.EINVAL, () -> client.context().allocateNestedHwpt(device, parent, new NestedTable(VendorData.TABLE, new byte[3]), Optional.empty()));
    }

    @Test
    void aGuestInvalidatesByItsOwnNumbersAndHearsOfEvents() {
        Client.Device device = client.device(ioas.id(), 0);
        PagingHwpt parent = client.context().allocateHwpt(bound(device), ioas, HwptOptions.asNestParent());
        Viommu viommu = viommu(bound(device), parent);
        NestedHwpt table = viommu.allocateNestedHwpt(bound(device), nested(1), Optional.empty());
        client.refused(Errno.ENOENT, REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, table.id()));
        viommu.allocateVdevice(bound(device), 0x99);
        client.refused(Errno.ENOENT, TRIGGER_VEVENT, 0, int32(TestCommand.VEVENT_DEV_ID, device.idevId()));
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, table.id()));
        client.refused(Errno.EOPNOTSUPP, TRIGGER_VEVENT, 0, int32(TestCommand.VEVENT_DEV_ID, device.idevId()));
        EventQueue events = viommu.allocateEventQueue(VendorData.EVENT, 4);
        client.granted(TRIGGER_VEVENT, 0, int32(TestCommand.VEVENT_DEV_ID, device.idevId()));
        assertThat(events.read().orElseThrow().payload()).isEqualTo(words(0x99));

        client.granted(CHECK_CACHE, device.idevId(), int32(TestCommand.CACHE_ID, 0).andThen(int32(TestCommand.CACHE_VALUE, 0xbaddad)));
        assertThat(viommu.invalidate(entries(VendorData.VIOMMU_INVALIDATION, 12, 0, 0x99, 0, 0, 0x98, 1)))
                .isEqualTo(new InvalidationResult(1, Optional.of(Errno.EINVAL)));
        client.granted(CHECK_CACHE, device.idevId(), int32(TestCommand.CACHE_ID, 0));
        client.refused(Errno.EINVAL, CHECK_CACHE, device.idevId(), int32(TestCommand.CACHE_ID, 1));
        refuses(Errno.E2BIG, () -> viommu.invalidate(entries(VendorData.VIOMMU_INVALIDATION, 16, 1, 0x99, 0, 5)));
        assertThat(viommu.invalidate(entries(VendorData.VIOMMU_INVALIDATION, 16, 1, 0x99, 0, 0))).isEqualTo(InvalidationResult.complete(1));
        client.granted(CHECK_CACHE, device.idevId(), int32(TestCommand.CACHE_ID, 1));
    }

    @Test
    void theSecondQueueNeedsTheFirst() {
        BoundDevice device = bound(client.device(ioas.id(), 0));
        PagingHwpt parent = client.context().allocateHwpt(device, ioas, HwptOptions.asNestParent());
        Viommu viommu = viommu(device, parent);
        client.map(ioas, APERTURE, BUFFER, PAGE);
        refuses(Errno.EIO, () -> viommu.allocateHwQueue(VendorData.QUEUE, 1, APERTURE, PAGE));
        refuses(Errno.EINVAL, () -> viommu.allocateHwQueue(VendorData.QUEUE, 2, APERTURE, PAGE));
        refuses(Errno.EOPNOTSUPP, () -> viommu.allocateHwQueue(7, 0, APERTURE, PAGE));
        HwQueue first = viommu.allocateHwQueue(VendorData.QUEUE, 0, APERTURE, PAGE);
        HwQueue second = viommu.allocateHwQueue(VendorData.QUEUE, 1, APERTURE + PAGE / 2, PAGE / 2);
        refuses(Errno.EBUSY, first::destroy);
        refuses(Errno.EBUSY, () -> ioas.unmap(APERTURE, PAGE));
        second.destroy();
        first.destroy();
        assertThat(ioas.unmap(APERTURE, PAGE)).isEqualTo(PAGE);
    }

    private void requestPage(Client.Device device, int pasid) {
        client.granted(TRIGGER_IOPF, 0, int32(TestCommand.IOPF_DEV_ID, device.idevId()).andThen(int32(TestCommand.IOPF_PASID, pasid))
                .andThen(int32(TestCommand.IOPF_GROUP, 2)).andThen(int32(TestCommand.IOPF_PERMISSIONS, 0b111)).andThen(int64(TestCommand.IOPF_ADDRESS, 0xd000)));
    }

    @Test
    void pageRequestsReachTheQueueOfTheTable() {
        Client.Device device = client.device(ioas.id(), 0);
        FaultQueue queue = client.context().allocateFaultQueue();
        PagingHwpt table = client.context().allocateHwpt(bound(device), ioas, new HwptOptions(false, false, false, Optional.of(queue)));
        requestPage(device, 0);
        assertThat(queue.read(8)).as("nobody is responsible yet").isEmpty();
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, table.id()));
        requestPage(device, 0);
        requestPage(device, 1);
        requestPage(device, -1);
        FaultRecord record = queue.read(8).getFirst();
        assertThat(queue.read(8)).as("PASIDs 1 and 2^32-1 are attached to nothing").isEmpty();
        assertThat(record.deviceId()).isEqualTo(device.idevId());
        assertThat(record.iova()).isEqualTo(0xd000);
        assertThat(record.execute()).isTrue();
        queue.respond(record.cookie(), FaultResponse.SUCCESS);
    }

    @Test
    void pageRequestsOfAGuestsOwnPasidsReachTheQueueOfItsNestedTable() {
        Client.Device device = client.device(ioas.id(), 0);
        FaultQueue queue = client.context().allocateFaultQueue();
        PagingHwpt parent = client.context().allocateHwpt(bound(device), ioas, HwptOptions.asNestParent());
        NestedHwpt table = client.context().allocateNestedHwpt(bound(device), parent, nested(1), Optional.of(queue));
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, table.id()));
        requestPage(device, 5);
        FaultRecord record = queue.read(8).getFirst();
        assertThat(record.pasid()).hasValue(5);
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, ioas.id()));
        refuses(Errno.EINVAL, () -> queue.respond(record.cookie(), FaultResponse.SUCCESS));
    }

    private void pasid(String result, int operation, Client.Device device, int pasid, int pt) {
        assertThat(Client.name(client.raw(client.file, operation, device.stdevId(),
                int32(TestCommand.PASID, pasid).andThen(int32(TestCommand.PASID_PT_ID, pt))))).isEqualTo(result);
    }

    @Test
    void pasid1024FailsEverySecondTimeAndKeepsItsTable() {
        Client.Device device = client.device(ioas.id(), PASIDS);
        int one = client.context().allocateHwpt(bound(device), ioas, HwptOptions.forPasid()).id();
        int other = client.context().allocateHwpt(bound(device), ioas, HwptOptions.forPasid()).id();
        client.granted(REPLACE, device.stdevId(), int32(TestCommand.REPLACE_PT_ID, one));
        pasid("0", PASID_ATTACH, device, 1024, one);
        pasid("ENOMEM", PASID_REPLACE, device, 1024, other);
        pasid("0", PASID_CHECK, device, 1024, one);
        pasid("0", PASID_REPLACE, device, 1024, other);
        pasid("EINVAL", PASID_CHECK, device, 1024, one);
        pasid("0", PASID_DETACH, device, 1024, 0);
        pasid("0", PASID_CHECK, device, 1024, 0);
        pasid("0", PASID_ATTACH, device, 1024, other);
        pasid("EINVAL", PASID_ATTACH, device, 1 << 20, one);
        pasid("EINVAL", PASID_REPLACE, device, 7, one);
        pasid("ENOENT", PASID_CHECK, device, 7, 99);
        pasid("0", PASID_CHECK, device, 0, one);
    }

    @Test
    void aRevokedDmabufIsNoLongerMapped() {
        Client.Device device = client.device(ioas.id(), 0);
        int descriptor = (int) client.granted(DMABUF_GET, 0, int32(TestCommand.DMABUF_LENGTH, (int) PAGE + 1));
        Dmabuf dmabuf = (Dmabuf) client.installed(descriptor);
        ioas.mapAt(APERTURE, dmabuf.mappable(), 0, 2 * PAGE, DmaAccess.READ_WRITE);
        var domain = (MockDomain) client.file.hardwareDomain((PagingHwpt) client.context().object(device.hwptId()));
        assertThat(domain.translate(APERTURE)).isPositive();
        client.granted(DMABUF_REVOKE, 0, int32(TestCommand.DMABUF_FD, descriptor).andThen(int32(TestCommand.DMABUF_REVOKED, 1)));
        assertThat(domain.translate(APERTURE)).isEqualTo(-1);
        refuses(Errno.ENODEV, () -> ioas.mapAt(APERTURE + (1 << 20), dmabuf.mappable(), 0, 2 * PAGE, DmaAccess.READ));
        assertThat(ioas.unmap(APERTURE, 2 * PAGE)).isEqualTo(2 * PAGE);
        client.refused(Errno.EINVAL, DMABUF_GET, 0, struct -> { });
        client.refused(Errno.EINVAL, DMABUF_GET, 0, int32(TestCommand.DMABUF_LENGTH, (2 << 20) + 1));
    }
}
