package iommu.mock.command;

import static iommu.mock.command.Client.APERTURE;
import static iommu.mock.command.Client.BUFFER;
import static iommu.mock.command.Client.DATA;
import static iommu.mock.command.Client.HALF_PAGE;
import static iommu.mock.command.Client.PAGE;
import static iommu.mock.command.Client.int32;
import static iommu.mock.command.Client.int64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommu.mock.hardware.VendorData;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.uapi.IommuHwptAlloc;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Page tables, pins and dirty marks as the selftests see them. */
class TableCommandsTest {
    private static final int ADD_RESERVED = TestOperation.ADD_RESERVED;
    private static final int CHECK_MAP = TestOperation.MD_CHECK_MAP;
    private static final int SET_MEMORY_LIMIT = TestOperation.SET_TEMP_MEMORY_LIMIT;
    private static final int DIRTY = TestOperation.DIRTY;

    private final Client client = new Client();
    private final Ioas ioas = client.context().allocateIoas();

    @AfterEach
    void close() {
        client.close();
    }

    private static Consumer<MemorySegment> range(long iova, long length, long address) {
        return int64(TestCommand.MAP_IOVA, iova).andThen(int64(TestCommand.MAP_LENGTH, length)).andThen(int64(TestCommand.MAP_UPTR, address));
    }

    @Test
    void shouldFindExactlyTheMappedPagesInTheTable() {
        int hwpt = client.device(ioas.id(), 0).hwptId();
        client.map(ioas, APERTURE, BUFFER, 4 * PAGE);
        client.granted(CHECK_MAP, hwpt, range(APERTURE, 4 * PAGE, BUFFER));
        client.granted(CHECK_MAP, hwpt, range(APERTURE + HALF_PAGE, PAGE, BUFFER + HALF_PAGE));
        client.refused(Errno.EINVAL, CHECK_MAP, hwpt, range(APERTURE, 4 * PAGE, BUFFER + PAGE));
        client.refused(Errno.EINVAL, CHECK_MAP, hwpt, range(APERTURE, 5 * PAGE, BUFFER));
        client.refused(Errno.EINVAL, CHECK_MAP, hwpt, range(APERTURE, HALF_PAGE / 2, BUFFER));
        client.refused(Errno.EFAULT, CHECK_MAP, hwpt, range(APERTURE, PAGE, PAGE));
        client.refused(Errno.ENOENT, CHECK_MAP, ioas.id(), range(APERTURE, PAGE, BUFFER));
        ioas.unmap(APERTURE, 4 * PAGE);
        client.refused(Errno.EINVAL, CHECK_MAP, hwpt, range(APERTURE, PAGE, BUFFER));
    }

    @Test
    void shouldMapHalfPagesButNotLess() {
        int hwpt = client.device(ioas.id(), 0).hwptId();
        client.map(ioas, APERTURE + HALF_PAGE, BUFFER, HALF_PAGE);
        client.granted(CHECK_MAP, hwpt, range(APERTURE + HALF_PAGE, HALF_PAGE, BUFFER));
        assertThat(ioas.iovaRanges().alignmentBytes()).isEqualTo(HALF_PAGE);
        assertThat(ioas.iovaRanges().usable()).singleElement().asString().isEqualTo("0x1000000..0x7fffffff");
    }

    @Test
    void shouldCountPinsOnceHoweverManyTablesShowThePage() {
        client.device(ioas.id(), 0);
        client.map(ioas, APERTURE, BUFFER, 2 * PAGE);
        assertThat(client.pins(client.file, BUFFER, 2 * PAGE, 1)).isEqualTo("0");
        assertThat(client.pins(client.file, BUFFER + 2 * PAGE, PAGE, 0)).isEqualTo("0");
        assertThat(client.pins(client.file, BUFFER, PAGE, 0)).isEqualTo("EIO");
        client.device(ioas.id(), 0);
        assertThat(client.pins(client.file, BUFFER, 2 * PAGE, 1)).isEqualTo("0");
        client.map(ioas, APERTURE + (1 << 20), BUFFER, PAGE);
        assertThat(client.pins(client.file, BUFFER, PAGE, 2)).isEqualTo("0");
        assertThat(client.pins(client.file, BUFFER + 1, PAGE, 2)).isEqualTo("EINVAL");
    }

    @Test
    void shouldReserveForEver() {
        Consumer<MemorySegment> reserved = int64(TestCommand.RESERVED_START, APERTURE).andThen(int64(TestCommand.RESERVED_LENGTH, PAGE));
        client.granted(ADD_RESERVED, ioas.id(), reserved);
        assertThatExceptionOfType(IommufdException.class)
                .isThrownBy(() -> ioas.mapAt(APERTURE, client.mappable(), BUFFER, PAGE, DmaAccess.READ))
                .extracting(IommufdException::errno).isEqualTo(Errno.EINVAL);
        client.map(ioas, APERTURE + PAGE, BUFFER, PAGE);
        client.refused(Errno.EADDRINUSE, ADD_RESERVED, ioas.id(),
                int64(TestCommand.RESERVED_START, APERTURE).andThen(int64(TestCommand.RESERVED_LENGTH, 2 * PAGE)));
        client.refused(Errno.EINVAL, ADD_RESERVED, ioas.id(), int64(TestCommand.RESERVED_START, APERTURE));
        client.refused(Errno.EOVERFLOW, ADD_RESERVED, ioas.id(),
                int64(TestCommand.RESERVED_START, -PAGE).andThen(int64(TestCommand.RESERVED_LENGTH, 2 * PAGE)));
        client.refused(Errno.ENOENT, ADD_RESERVED, 99, reserved);
    }

    /** Sets bits in the bitmap at {@link Client#DATA} and lets the device write those half pages. @return as the ioctl */
    private long write(int hwpt, long lengthBytes, int... halfPages) {
        MemorySegment bitmap = client.at(DATA, (lengthBytes / HALF_PAGE + 7) / 8);
        bitmap.fill((byte) 0);
        for (int bit : halfPages) {
            bitmap.set(ValueLayout.JAVA_BYTE, bit / 8,
                    (byte) (bitmap.get(ValueLayout.JAVA_BYTE, bit / 8) | 1 << bit % 8));
        }
        return client.raw(client.file, DIRTY, hwpt, int64(TestCommand.DIRTY_IOVA, APERTURE).andThen(int64(TestCommand.DIRTY_LENGTH, lengthBytes))
                .andThen(int64(TestCommand.DIRTY_PAGE_SIZE, HALF_PAGE)).andThen(int64(TestCommand.DIRTY_UPTR, DATA)));
    }

    private static int setBits(PagingHwpt hwpt, long lengthBytes, boolean clear) {
        MemorySegment bitmap = MemorySegment.ofArray(new long[(int) (lengthBytes / HALF_PAGE + 63) / 64]);
        hwpt.readDirty(APERTURE, lengthBytes, HALF_PAGE, bitmap, clear);
        int bits = 0;
        for (long i = 0; i < bitmap.byteSize(); i += 8) {
            bits += Long.bitCount(bitmap.get(ValueLayout.JAVA_LONG_UNALIGNED, i));
        }
        return bits;
    }

    @Test
    void aWriteMakesAWholeMemoryPageDirtyUntilItIsRead() {
        ioas.setHugePages(false);
        Client.Device device = client.device(ioas.id(), 0);
        client.map(ioas, APERTURE, BUFFER, 16 * PAGE);
        PagingHwpt hwpt = client.context().allocateHwpt((BoundDevice) client.context().object(device.idevId()), ioas,
                HwptOptions.withDirtyTracking());
        assertThat(Client.name(write(hwpt.id(), 16 * PAGE, 0))).as("tracking is off").isEqualTo("EINVAL");
        hwpt.setDirtyTracking(true);
        assertThat(write(hwpt.id(), 16 * PAGE, 0, 5, 31)).isZero();
        assertThat(client.out(TestCommand.DIRTY_OUT_COUNT)).isEqualTo(3);
        assertThat(setBits(hwpt, 16 * PAGE, false)).isEqualTo(6);
        assertThat(setBits(hwpt, 16 * PAGE, true)).isEqualTo(6);
        assertThat(setBits(hwpt, 16 * PAGE, true)).isZero();
        assertThat(write(hwpt.id(), 17 * PAGE, 33)).as("a write that hits nothing").isZero();
        assertThat(setBits(hwpt, 16 * PAGE, true)).isZero();
    }

    @Test
    void aWriteThroughALargeEntryMakesAllOfItDirty() {
        Client.Device device = client.device(ioas.id(), 0);
        client.map(ioas, APERTURE, BUFFER, 2L << 20);
        PagingHwpt hwpt = client.context().allocateHwpt((BoundDevice) client.context().object(device.idevId()), ioas,
                HwptOptions.withDirtyTracking());
        hwpt.setDirtyTracking(true);
        assertThat(write(hwpt.id(), 2L << 20, 3)).isZero();
        assertThat(setBits(hwpt, 2L << 20, true)).isEqualTo(512);
    }

    /** IOMMU_HWPT_ALLOC of a paging table with IOMMU_HWPT_DATA_SELFTEST. @return its number, or the negative errno */
    private long allocate(Client.Device device, int dataType, int tableType) {
        client.at(DATA, 8).set(ValueLayout.JAVA_INT_UNALIGNED, 4, tableType);
        MemorySegment struct = client.at(Client.BASE, IommuHwptAlloc.SIZE_BYTES);
        struct.fill((byte) 0);
        IommuHwptAlloc.size(struct, IommuHwptAlloc.SIZE_BYTES);
        IommuHwptAlloc.flags(struct, IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
        IommuHwptAlloc.devId(struct, device.idevId());
        IommuHwptAlloc.ptId(struct, ioas.id());
        IommuHwptAlloc.dataType(struct, dataType);
        IommuHwptAlloc.dataLen(struct, 8);
        IommuHwptAlloc.dataUptr(struct, DATA);
        long result = client.ioctl(client.file, IommuHwptAlloc.IOMMU_HWPT_ALLOC);
        return result == 0 ? IommuHwptAlloc.outHwptId(struct) : result;
    }

    @Test
    void vendorDataChoosesTheShapeOfATable() {
        Client.Device device = client.device(ioas.id(), 0);
        client.map(ioas, APERTURE, BUFFER, 2L << 20);
        int huge = (int) allocate(device, VendorData.TABLE, 1);
        client.granted(CHECK_MAP, huge, range(APERTURE, 2L << 20, BUFFER));
        client.refused(Errno.EINVAL, CHECK_MAP, huge, range(APERTURE, HALF_PAGE, BUFFER));
        assertThat(Client.name(allocate(device, VendorData.TABLE, 2))).isEqualTo("EOPNOTSUPP");
        assertThat(Client.name(allocate(device, 1, 0))).isEqualTo("EOPNOTSUPP");
    }

    @Test
    void shouldRefuseBadRangesOfWrites() {
        int hwpt = client.device(ioas.id(), 0).hwptId();
        client.refused(Errno.EINVAL, DIRTY, hwpt, int64(TestCommand.DIRTY_LENGTH, PAGE));
        client.refused(Errno.EOVERFLOW, DIRTY, hwpt, int64(TestCommand.DIRTY_LENGTH, 1L << 40).andThen(int64(TestCommand.DIRTY_PAGE_SIZE, 1))
                .andThen(int64(TestCommand.DIRTY_UPTR, DATA)));
    }

    @Test
    void shouldTakeAMemoryLimitOnlyIfTheKernelCouldLiveWithIt() {
        client.granted(SET_MEMORY_LIMIT, 0, int32(TestCommand.MEMORY_LIMIT, 12));
        client.refused(Errno.EINVAL, SET_MEMORY_LIMIT, 0, int32(TestCommand.MEMORY_LIMIT, 11));
    }

    @Test
    void shouldRefuseWhatItDoesNotKnow() {
        client.refused(Errno.EOPNOTSUPP, 99, 0, struct -> { });
        client.refused(Errno.EINVAL, CHECK_MAP, 0, int32(0, TestCommand.MIN_BYTES - 1));
    }
}
