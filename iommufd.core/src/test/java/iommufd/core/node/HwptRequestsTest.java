package iommufd.core.node;

import static iommufd.core.node.Client.ARRAY;
import static iommufd.core.node.Client.BUFFER;
import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.uapi.IommuHwInfo;
import iommufd.api.uapi.IommuHwptAlloc;
import iommufd.api.uapi.IommuHwptGetDirtyBitmap;
import iommufd.api.uapi.IommuHwptInvalidate;
import iommufd.api.uapi.IommuHwptSetDirtyTracking;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests about page tables. */
class HwptRequestsTest {
    private static final long PAGE = 4096;
    private static final long IOVA = 1 << 24;
    private final Client client = new Client();
    private BoundDevice device;
    private Ioas ioas;

    @BeforeEach
    void open() {
        device = client.bind(1);
        ioas = client.file.context().allocateIoas();
    }

    @AfterEach
    void close() {
        client.close();
    }

    private Consumer<MemorySegment> table(int from, int flags) {
        return struct -> {
            IommuHwptAlloc.devId(struct, device.id());
            IommuHwptAlloc.ptId(struct, from);
            IommuHwptAlloc.flags(struct, flags);
        };
    }

    /** The eight bytes the fake hardware's nested tables have. */
    private static Consumer<MemorySegment> data(int type, int length) {
        return struct -> {
            IommuHwptAlloc.dataType(struct, type);
            IommuHwptAlloc.dataLen(struct, length);
            IommuHwptAlloc.dataUptr(struct, ARRAY);
        };
    }

    private Hwpt made(Consumer<MemorySegment> fields) {
        MemorySegment struct = client.granted(IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, fields);
        return (Hwpt) client.file.context().object(IommuHwptAlloc.outHwptId(struct));
    }

    private void notMade(Errno errno, Consumer<MemorySegment> fields) {
        client.refused(errno, IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, fields);
    }

    private PagingHwpt nestParent() {
        return (PagingHwpt) made(table(ioas.id(), IommuHwptAlloc.IOMMU_HWPT_ALLOC_NEST_PARENT));
    }

    @Test
    void pagingTablesComeFromAddressSpaces() {
        PagingHwpt hwpt = (PagingHwpt) made(table(ioas.id(), 0));
        assertThat(hwpt.ioas()).isSameAs(ioas);
        assertThat(hwpt.automatic()).isFalse();
    }

    @Test
    void aTableIsRefusedInLinuxsOrder() {
        notMade(Errno.EOPNOTSUPP, struct -> IommuHwptAlloc.reserved(struct, 1));
        notMade(Errno.EINVAL, data(1, 0));
        notMade(Errno.EINVAL, data(0, 8));
        notMade(Errno.ENOENT, table(ioas.id(), -1).andThen(struct -> IommuHwptAlloc.devId(struct, ioas.id())));
        notMade(Errno.EINVAL, table(99, -1));
        notMade(Errno.EINVAL, table(device.id(), -1));
        notMade(Errno.EOPNOTSUPP, table(ioas.id(), 16));
        notMade(Errno.EOPNOTSUPP, table(ioas.id(), 0).andThen(data(1, 8)));
        notMade(Errno.EOPNOTSUPP, table(ioas.id(), IommuHwptAlloc.IOMMU_HWPT_ALLOC_NEST_PARENT | IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID));
        notMade(Errno.ENOENT, table(ioas.id(), IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID).andThen(struct -> IommuHwptAlloc.faultId(struct, ioas.id())));
        client.rig.hardware.tracksDirty = false;
        assertThat(client.rig.hardware.domainCount()).isZero();
    }

    @Test
    void thisReservedFieldIsNotLookedAt() {
        made(table(ioas.id(), 0).andThen(struct -> IommuHwptAlloc.reserved2(struct, 5)));
    }

    @Test
    void nestedTablesComeFromNestParents() {
        PagingHwpt parent = nestParent();
        Hwpt nested = made(table(parent.id(), 0).andThen(data(1, 8)));
        notMade(Errno.EOPNOTSUPP, table(parent.id(), 0));
        notMade(Errno.EOPNOTSUPP, table(parent.id(), IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING).andThen(data(1, 8)));
        notMade(Errno.EOPNOTSUPP, table(parent.id(), 0).andThen(data(7, 8)));
        notMade(Errno.EINVAL, table(parent.id(), 0).andThen(data(1, 9)));
        notMade(Errno.EFAULT, table(parent.id(), 0).andThen(data(1, 8)).andThen(struct -> IommuHwptAlloc.dataUptr(struct, 8)));
        notMade(Errno.EINVAL, table(nested.id(), 0).andThen(data(1, 8)));
        PagingHwpt plain = (PagingHwpt) made(table(ioas.id(), 0));
        notMade(Errno.EINVAL, table(plain.id(), 0).andThen(data(1, 8)));
    }

    @Test
    void wrongTypesAndLengthsAreToldBeforeBadAddresses() {
        PagingHwpt parent = nestParent();
        Consumer<MemorySegment> nowhere = struct -> IommuHwptAlloc.dataUptr(struct, 8);
        notMade(Errno.EOPNOTSUPP, table(parent.id(), 0).andThen(data(7, 8)).andThen(nowhere));
        notMade(Errno.EINVAL, table(parent.id(), 0).andThen(data(1, 9)).andThen(nowhere));
        notMade(Errno.EINVAL, table(parent.id(), 0).andThen(data(1, -1)).andThen(nowhere));
        notMade(Errno.EFAULT, table(parent.id(), 0).andThen(data(1, 8)).andThen(nowhere));
        notMade(Errno.EOPNOTSUPP, table(ioas.id(), 0).andThen(data(1, 8)).andThen(nowhere));
    }

    @Test
    void anAnswerThatCannotBeWrittenLeavesNoTable() {
        client.struct(IommuHwptAlloc.SIZE_BYTES, table(ioas.id(), 0));
        client.caller.protect(STRUCT);
        assertThat(Client.name(client.raw(IommuHwptAlloc.IOMMU_HWPT_ALLOC, STRUCT))).isEqualTo("EFAULT");
        assertThat(client.rig.hardware.domainCount()).isZero();
    }

    private Consumer<MemorySegment> info(int room) {
        return struct -> {
            IommuHwInfo.devId(struct, device.id());
            IommuHwInfo.dataLen(struct, room);
            IommuHwInfo.dataUptr(struct, ARRAY);
        };
    }

    @Test
    void hardwareInfoFitsTheRoomThatIsThere() {
        byte[] told = device.hardwareInfo().bytes();
        MemorySegment room = client.caller.at(ARRAY, told.length + 16L);
        for (int bytes : new int[] {0, Math.max(0, told.length - 1), told.length, told.length + 9}) {
            room.fill((byte) 0x55);
            MemorySegment struct = client.granted(IommuHwInfo.IOMMU_GET_HW_INFO, IommuHwInfo.SIZE_BYTES, info(bytes));
            assertThat(IommuHwInfo.dataLen(struct)).isEqualTo(told.length);
            assertThat(IommuHwInfo.inDataType(struct)).isEqualTo(device.hardwareInfo().type());
            for (int i = 0; i < told.length + 16; i++) {
                int expected = i >= bytes ? 0x55 : i < told.length ? told[i] : 0;
                assertThat(room.get(ValueLayout.JAVA_BYTE, i)).as("byte %d of room for %d", i, bytes).isEqualTo((byte) expected);
            }
        }
    }

    @Test
    void hardwareInfoIsRefusedInLinuxsOrder() {
        int request = IommuHwInfo.IOMMU_GET_HW_INFO;
        client.refused(Errno.EOPNOTSUPP, request, IommuHwInfo.SIZE_BYTES, struct -> IommuHwInfo.flags(struct, 2));
        for (int i = 0; i < 3; i++) {
            int index = i;
            client.refused(Errno.EOPNOTSUPP, request, IommuHwInfo.SIZE_BYTES, struct -> IommuHwInfo.reserved(struct, index, (byte) 1));
        }
        client.refused(Errno.ENOENT, request, IommuHwInfo.SIZE_BYTES, struct -> IommuHwInfo.devId(struct, ioas.id()));
        client.refused(Errno.EFAULT, request, IommuHwInfo.SIZE_BYTES, info(64).andThen(struct -> IommuHwInfo.dataUptr(struct, 16)));
        client.refused(Errno.EFAULT, request, IommuHwInfo.SIZE_BYTES, info(-1));
        MemorySegment struct = client.granted(request, IommuHwInfo.SIZE_BYTES, info(0).andThen(s -> IommuHwInfo.inDataType(s, 77)));
        assertThat(IommuHwInfo.inDataType(struct)).as("without the flag a type is no wish").isEqualTo(device.hardwareInfo().type());
        if (device.hardwareInfo().type() != 0) {
            client.refused(Errno.EOPNOTSUPP, request, IommuHwInfo.SIZE_BYTES, info(0).andThen(s -> {
                IommuHwInfo.flags(s, IommuHwInfo.IOMMU_HW_INFO_FLAG_INPUT_TYPE);
                IommuHwInfo.inDataType(s, 77);
            }));
        }
    }

    private Consumer<MemorySegment> bitmap(int hwpt, long iova, long length, long page) {
        return struct -> {
            IommuHwptGetDirtyBitmap.hwptId(struct, hwpt);
            IommuHwptGetDirtyBitmap.iova(struct, iova);
            IommuHwptGetDirtyBitmap.length(struct, length);
            IommuHwptGetDirtyBitmap.pageSize(struct, page);
            IommuHwptGetDirtyBitmap.data(struct, ARRAY + 3);
        };
    }

    private void track(int hwpt, int flags) {
        client.granted(IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES, struct -> {
            IommuHwptSetDirtyTracking.hwptId(struct, hwpt);
            IommuHwptSetDirtyTracking.flags(struct, flags);
            IommuHwptSetDirtyTracking.reserved(struct, 7);
        });
    }

    @Test
    void dirtyPagesAreBitsBesideThoseThatWereSet() {
        ioas.mapAt(IOVA, client.caller.mappable(), BUFFER, 64 * PAGE, DmaAccess.READ_WRITE);
        PagingHwpt hwpt = (PagingHwpt) made(table(ioas.id(), IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
        device.attach(hwpt);
        DmaPort port = device.endpoint().openPort();
        track(hwpt.id(), 1);
        assertThat(port.write(IOVA + 9 * PAGE, MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.DONE);
        MemorySegment bits = client.caller.at(ARRAY, 16);
        bits.fill((byte) 0x80);
        int request = IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP;
        int size = IommuHwptGetDirtyBitmap.SIZE_BYTES;
        client.granted(request, size, bitmap(hwpt.id(), IOVA, 64 * PAGE, PAGE).andThen(s -> IommuHwptGetDirtyBitmap.flags(s, 1)));
        assertThat(bits.get(ValueLayout.JAVA_BYTE, 3 + 1)).isEqualTo((byte) 0x82);
        assertThat(bits.get(ValueLayout.JAVA_BYTE, 3)).isEqualTo((byte) 0x80);
        bits.fill((byte) 0);
        client.granted(request, size, bitmap(hwpt.id(), IOVA, 64 * PAGE, PAGE));
        assertThat(bits.get(ValueLayout.JAVA_BYTE, 3 + 1)).as("it was not forgotten").isEqualTo((byte) 2);
        bits.fill((byte) 0);
        client.granted(request, size, bitmap(hwpt.id(), IOVA, 64 * PAGE, PAGE));
        assertThat(bits.get(ValueLayout.JAVA_BYTE, 3 + 1)).as("now it was").isZero();
        port.close();
    }

    @Test
    void aBitmapIsRefusedInLinuxsOrderAndHolesAreNot() {
        ioas.mapAt(IOVA, client.caller.mappable(), BUFFER, PAGE, DmaAccess.READ_WRITE);
        PagingHwpt plain = (PagingHwpt) made(table(ioas.id(), 0));
        PagingHwpt tracking = (PagingHwpt) made(table(ioas.id(), IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
        int request = IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP;
        int size = IommuHwptGetDirtyBitmap.SIZE_BYTES;
        client.refused(Errno.EOPNOTSUPP, request, size, bitmap(99, 0, 0, 0).andThen(s -> IommuHwptGetDirtyBitmap.flags(s, 2)));
        client.refused(Errno.EOPNOTSUPP, request, size, bitmap(99, 0, 0, 0).andThen(s -> IommuHwptGetDirtyBitmap.reserved(s, 2)));
        client.refused(Errno.ENOENT, request, size, bitmap(ioas.id(), 0, 0, 0));
        client.refused(Errno.EINVAL, request, size, bitmap(plain.id(), IOVA, 0, PAGE));
        client.refused(Errno.EOVERFLOW, request, size, bitmap(plain.id(), -PAGE, 2 * PAGE, PAGE));
        client.refused(Errno.EINVAL, request, size, bitmap(plain.id(), IOVA + 1, PAGE, PAGE));
        client.refused(Errno.EINVAL, request, size, bitmap(plain.id(), IOVA, PAGE, 0));
        client.refused(Errno.EINVAL, request, size, bitmap(plain.id(), IOVA, PAGE, 2 * PAGE));
        client.refused(Errno.EOPNOTSUPP, request, size, bitmap(plain.id(), IOVA, PAGE, PAGE));
        client.refused(Errno.EOPNOTSUPP, request, size, bitmap(plain.id(), 0, PAGE, PAGE));
        client.refused(Errno.EOPNOTSUPP, request, size, bitmap(plain.id(), 0, PAGE, 512));
        client.granted(request, size, bitmap(tracking.id(), IOVA, PAGE, PAGE));
        track(tracking.id(), 1);
        client.granted(request, size, bitmap(tracking.id(), IOVA, 2 * PAGE, PAGE));
        client.granted(request, size, bitmap(tracking.id(), 0, 2 * PAGE, PAGE));
        client.granted(request, size, bitmap(tracking.id(), 0, 1L << 62, PAGE).andThen(s -> IommuHwptGetDirtyBitmap.data(s, 1)));
        client.granted(request, size, bitmap(tracking.id(), 0, Long.MIN_VALUE, Long.MIN_VALUE));
        track(tracking.id(), 0);
        client.refused(Errno.EOPNOTSUPP, IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES,
                s -> IommuHwptSetDirtyTracking.flags(s, 2));
        client.refused(Errno.ENOENT, IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES, s -> { });
        client.refused(Errno.EOPNOTSUPP, IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES,
                s -> IommuHwptSetDirtyTracking.hwptId(s, plain.id()));
    }

    private Consumer<MemorySegment> entries(int target, int length, int count) {
        return struct -> {
            IommuHwptInvalidate.hwptId(struct, target);
            IommuHwptInvalidate.dataType(struct, 1);
            IommuHwptInvalidate.dataUptr(struct, ARRAY);
            IommuHwptInvalidate.entryLen(struct, length);
            IommuHwptInvalidate.entryNum(struct, count);
        };
    }

    @Test
    void invalidationTellsHowFarItCameWhateverHappens() {
        PagingHwpt parent = nestParent();
        int nested = made(table(parent.id(), 0).andThen(data(1, 8))).id();
        int request = IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE;
        int size = IommuHwptInvalidate.SIZE_BYTES;
        assertThat(IommuHwptInvalidate.entryNum(client.granted(request, size, entries(nested, 16, 9000)))).isEqualTo(9000);
        assertThat(IommuHwptInvalidate.entryNum(client.granted(request, size, entries(nested, 0, 0).andThen(s -> IommuHwptInvalidate.dataUptr(s, 0))))).isZero();
        record Bad(Errno errno, Consumer<MemorySegment> fields) {}
        for (Bad bad : new Bad[] {new Bad(Errno.EOPNOTSUPP, entries(99, 0, 1).andThen(s -> IommuHwptInvalidate.reserved(s, 1))),
                new Bad(Errno.EINVAL, entries(99, 0, 1)), new Bad(Errno.EINVAL, entries(99, 4097, 1)),
                new Bad(Errno.EINVAL, entries(99, 16, (1 << 19) + 1)), new Bad(Errno.EINVAL, entries(99, 16, -1)),
                new Bad(Errno.EINVAL, entries(99, 16, 1).andThen(s -> IommuHwptInvalidate.dataUptr(s, 0))),
                new Bad(Errno.ENOENT, entries(99, 16, 1)), new Bad(Errno.EINVAL, entries(parent.id(), 16, 1)),
                new Bad(Errno.EINVAL, entries(device.id(), 16, 1)),
                new Bad(Errno.EINVAL, entries(nested, 16, 1).andThen(s -> IommuHwptInvalidate.dataType(s, 7)).andThen(s -> IommuHwptInvalidate.dataUptr(s, 16))),
                new Bad(Errno.EFAULT, entries(nested, 16, 1).andThen(s -> IommuHwptInvalidate.dataUptr(s, 16)))}) {
            assertThat(IommuHwptInvalidate.entryNum(client.refused(bad.errno(), request, size, bad.fields()))).as("%s", bad).isZero();
        }
        client.caller.hole(ARRAY + PAGE);
        MemorySegment struct = client.refused(Errno.EFAULT, request, size, entries(nested, 48, 1000));
        assertThat(IommuHwptInvalidate.entryNum(struct)).as("entries before the hole").isEqualTo((int) (PAGE / 48));
    }
}
