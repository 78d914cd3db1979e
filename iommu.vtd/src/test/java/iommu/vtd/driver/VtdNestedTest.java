package iommu.vtd.driver;

import static iommu.vtd.Ram.word;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.common.table.TablePool;
import iommu.vtd.Ram;
import iommu.vtd.unit.VtdFeatures;
import iommu.vtd.unit.VtdUnit;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A guest's first stage over a nest parent: {@code IOMMU_HWPT_DATA_VTD_S1} and its invalidations. */
class VtdNestedTest {
    private static final long IOVA = 0x12_3456_7000L;
    private static final int GUEST_PAGES = 512;
    private static final PagingOptions PARENT = new PagingOptions(true, true, false);

    private final ScratchTables memory = new ScratchTables();
    private final Ram ram = new Ram();
    private final List<DmaFault> faults = new ArrayList<>();
    private final VtdDriver driver = start();
    private final HardwareEndpoint endpoint = driver.probe(
            EndpointDescription.of(RequesterId.of(0, 3, 4, 1)).withPasidBits(20), new FaultSink() {
                @Override
                public void unrecoverable(DmaFault fault) {
                    faults.add(fault);
                }

                @Override
                public boolean pageRequest(PageRequest request) {
                    return false;
                }
            });
    /** The guest's memory, from guest-physical 0 on. */
    private final long guest = ram.frames(GUEST_PAGES);
    private final PagingDomain parent = endpoint.allocatePaging(PARENT);

    private VtdDriver start() {
        TablePool pool = new TablePool(memory);
        AtomicReference<VtdDriver> started = new AtomicReference<>();
        VtdUnit unit = new VtdUnit("vtd9", VtdFeatures.scalableMode().withNested(), pool::markDirty,
                (address, data) -> started.get().message(address, data));
        started.set(new VtdDriver(unit, pool, unit::openPort, new VtdDriverOptions("vtd9", 0, 4)));
        return started.get();
    }

    VtdNestedTest() {
        PinnedRuns all = new PinnedRuns(1);
        all.add(guest, GUEST_PAGES * 4096L);
        parent.mapSmallest(0, all, DmaAccess.READ_WRITE);
    }

    @AfterEach
    void everyFrameComesBack() {
        endpoint.release();
        parent.close();
        driver.close();
        assertThat(memory.bytesInUse()).isZero();
    }

    private static NestedTable table(long flags, long root, int width, int reserved) {
        return new NestedTable(1, ByteBuffer.allocate(24).order(ByteOrder.nativeOrder()).putLong(flags).putLong(root).putInt(width)
                .putInt(reserved).array());
    }

    /** The guest maps IOVA to a page of its own by tables in the pages from {@code root} on. */
    private void guestMaps(int root, int page) {
        for (int level = 4; level > 1; level--, root++) {
            word(guest + root * 4096L + (IOVA >>> 12 + 9 * (level - 1) & 511) * 8, (root + 1) * 4096L | 7);
        }
        word(guest + root * 4096L + (IOVA >>> 12 & 511) * 8, page * 4096L | 7);
    }

    private void fill(int page, int content) {
        Ram.bytes(guest + page * 4096L, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) content);
    }

    private static int peek(HardwarePort port) {
        byte[] target = {0};
        return port.read(IOVA, MemorySegment.ofArray(target), 0, 1) == DmaStatus.DONE ? target[0] : -1;
    }

    private static InvalidationEntries entries(long... words) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length * 8).order(ByteOrder.nativeOrder());
        for (long each : words) {
            bytes.putLong(each);
        }
        return new InvalidationEntries(0, 24, words.length / 3, MemorySegment.ofArray(bytes.array()));
    }

    @Test
    void translatesThroughBothStagesAndForgetsWhatTheGuestSays() {
        fill(100, 1);
        fill(101, 2);
        guestMaps(10, 100);
        NestedDomain nested = endpoint.allocateNested(parent, table(0, 10 * 4096, 48, 0));
        endpoint.attach(Pasid.NONE, nested);
        endpoint.attach(70, nested);
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        HardwarePort withPasid = endpoint.openPort(70);
        assertThat(peek(port)).isEqualTo(1);
        assertThat(peek(withPasid)).isEqualTo(1);
        guestMaps(10, 101);
        assertThat(peek(port)).as("cached").isEqualTo(1);
        assertThat(nested.invalidate(entries(IOVA + 4096, 1, 0, IOVA, 1, 1))).isEqualTo(InvalidationResult.complete(2));
        assertThat(peek(port)).isEqualTo(2);
        assertThat(peek(withPasid)).as("in every PASID").isEqualTo(2);
        guestMaps(10, 100);
        assertThat(nested.invalidate(entries(0, -1L, 0))).isEqualTo(InvalidationResult.complete(1));
        assertThat(peek(port)).isEqualTo(1);
        parent.unmap(100 * 4096, 101 * 4096 - 1);
        assertThat(peek(port)).as("what the host takes away is gone at once").isEqualTo(-1);
        assertThat(faults).isNotEmpty();
        endpoint.block(Pasid.NONE);
        endpoint.block(70);
        nested.close();
    }

    @Test
    void changesBetweenStagesKeepTheirMeaning() {
        fill(100, 1);
        fill(200, 3);
        guestMaps(10, 100);
        guestMaps(20, 200);
        NestedDomain first = endpoint.allocateNested(parent, table(0, 10 * 4096, 48, 0));
        NestedDomain second = endpoint.allocateNested(parent, table(0, 20 * 4096, 48, 0));
        PagingDomain plain = endpoint.allocatePaging(PagingOptions.PLAIN);
        PinnedRuns page = new PinnedRuns(1);
        page.add(guest + 200 * 4096L, 4096);
        plain.map(IOVA, page, DmaAccess.READ);
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        endpoint.attach(Pasid.NONE, plain);
        assertThat(peek(port)).isEqualTo(3);
        endpoint.attach(Pasid.NONE, first);
        assertThat(peek(port)).isEqualTo(1);
        endpoint.attach(Pasid.NONE, second);
        assertThat(peek(port)).isEqualTo(3);
        endpoint.attach(Pasid.NONE, first);
        assertThat(peek(port)).isEqualTo(1);
        endpoint.attach(Pasid.NONE, parent);
        assertThat(peek(port)).as("IOVA is no guest-physical address").isEqualTo(-1);
        endpoint.attach(Pasid.NONE, plain);
        assertThat(peek(port)).isEqualTo(3);
        endpoint.block(Pasid.NONE);
        assertThat(peek(port)).isEqualTo(-1);
        first.close();
        second.close();
        plain.close();
    }

    @Test
    void parentTracksWhatNestedDomainsWrite() {
        guestMaps(10, 100);
        NestedDomain nested = endpoint.allocateNested(parent, table(0, 10 * 4096, 48, 0));
        endpoint.attach(Pasid.NONE, nested);
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        DirtyTracking tracking = parent.dirtyTracking().orElseThrow();
        tracking.setEnabled(true);
        assertThat(port.write(IOVA, MemorySegment.ofArray(new byte[] {9}), 0, 1)).isEqualTo(DmaStatus.DONE);
        List<Long> dirty = new ArrayList<>();
        tracking.read(0, GUEST_PAGES * 4096L - 1, true, (iova, length) -> dirty.add(iova));
        assertThat(dirty).as("the page, and the tables that the walk may have marked").contains(100 * 4096L).doesNotContain(101 * 4096L);
        tracking.setEnabled(false);
        endpoint.block(Pasid.NONE);
        nested.close();
    }

    @ParameterizedTest
    @CsvSource({"8, 0x5000, 48, 0", "1, 0x5000, 48, 0", "0, 0x5001, 48, 0", "0, 0x5000, 39, 0", "0, 0x5000, 48, 1", "0, 0x2000000000000, 48, 0"})
    void refusesMalformedTables(long flags, String root, int width, int reserved) {
        assertThatThrownBy(() -> endpoint.allocateNested(parent, table(flags, Long.decode(root), width, reserved)))
                .isInstanceOfSatisfying(IommufdException.class, failure -> assertThat(failure.errno()).isEqualTo(Errno.EINVAL));
    }

    @Test
    void refusesOtherTypesAndParents() {
        assertErrno(Errno.EOPNOTSUPP, () -> endpoint.allocateNested(parent, new NestedTable(2, new byte[24])));
        assertErrno(Errno.EINVAL, () -> endpoint.allocateNested(parent, new NestedTable(1, new byte[16])));
        byte[] long1 = new byte[32];
        ByteBuffer.wrap(long1).order(ByteOrder.nativeOrder()).putInt(16, 48).put(31, (byte) 1);
        assertErrno(Errno.E2BIG, () -> endpoint.allocateNested(parent, new NestedTable(1, long1)));
        PagingDomain first = endpoint.allocatePaging(PagingOptions.PLAIN);
        assertErrno(Errno.EINVAL, () -> endpoint.allocateNested(first, table(0, 0x5000, 48, 0)));
        first.close();
    }

    private static void assertErrno(Errno errno, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(IommufdException.class, failure -> assertThat(failure.errno()).isEqualTo(errno));
    }

    @Test
    void refusesMalformedInvalidations() {
        NestedDomain nested = endpoint.allocateNested(parent, table(0, 10 * 4096, 57, 0));
        assertThat(nested.invalidate(entries(0, 1, 0, 1, 1, 0))).isEqualTo(new InvalidationResult(1, Optional.of(Errno.EINVAL)));
        assertThat(nested.invalidate(entries(4096, -1L, 0))).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EINVAL)));
        assertThat(nested.invalidate(entries(0, 1, 2))).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EOPNOTSUPP)));
        assertThat(nested.invalidate(entries(0, 1, 1L << 32))).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EOPNOTSUPP)));
        assertThat(nested.invalidate(new InvalidationEntries(0, 16, 1, MemorySegment.ofArray(new byte[16]))))
                .isEqualTo(new InvalidationResult(0, Optional.of(Errno.EINVAL)));
        assertErrno(Errno.EINVAL, () -> nested.invalidate(new InvalidationEntries(5, 24, 1, MemorySegment.ofArray(new byte[24]))));
        assertThat(nested.invalidate(entries(0xFFFF_F000L, 1L << 60, 0))).as("beyond the end").isEqualTo(InvalidationResult.complete(1));
        nested.close();
    }
}
