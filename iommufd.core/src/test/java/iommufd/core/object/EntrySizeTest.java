package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.core.EngineOptions;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.BitSet;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Sizes of IO page-table entries at run time, and dirty tracking that is precise to the page. */
@Timeout(60)
class EntrySizeTest {
    private static final long LARGE = 16 * PAGE;
    private static final long IOVA = 1 << 20;
    private static final int PAGES = 64;
    private final Rig rig = new Rig();
    private DmaEndpoint endpoint;
    private BoundDevice device;
    private Ioas ioas;
    private PagingHwpt hwpt;
    private DmaPort port;

    @BeforeEach
    void open() {
        rig.hardware.largeEntries = true;
        endpoint = rig.plug(1, 1, 8, false);
        device = rig.context.bind(endpoint);
        ioas = rig.mappedIoas(PAGES);
        hwpt = rig.context.allocateHwpt(device, ioas, new HwptOptions(false, true, true, Optional.empty()));
        device.attach(hwpt);
        port = endpoint.openPort();
    }

    @AfterEach
    void close() {
        rig.close();
    }

    private BitSet dirty(boolean clear) {
        byte[] bitmap = new byte[PAGES / 8];
        hwpt.readDirty(IOVA, PAGES * PAGE, PAGE, MemorySegment.ofArray(bitmap), clear);
        return BitSet.valueOf(bitmap);
    }

    private static BitSet pages(int... pages) {
        BitSet set = new BitSet();
        for (int page : pages) {
            set.set(page);
        }
        return set;
    }

    private void write(DmaPort where, long page) {
        assertThat(where.write(IOVA + page * PAGE, MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.DONE);
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @Test
    void entriesAreSplitAndMergedWhereAsked() {
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
        assertThat(hwpt.split(IOVA + LARGE, 2 * LARGE, PAGE)).isEqualTo(2);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
        assertThat(hwpt.entryBytes(IOVA + LARGE)).isEqualTo(PAGE);
        assertThat(hwpt.entryBytes(IOVA + 3 * LARGE - 1)).isEqualTo(PAGE);
        assertThat(rig.reaches(port, IOVA + LARGE + 8, LARGE + 8)).isTrue();
        assertThat(hwpt.merge(IOVA, PAGES * PAGE)).isEqualTo(2);
        assertThat(hwpt.entryBytes(IOVA + LARGE)).isEqualTo(LARGE);
        assertThat(rig.reaches(port, IOVA + LARGE + 8, LARGE + 8)).isTrue();
        assertThat(ioas.unmap(IOVA, PAGES * PAGE)).isEqualTo(PAGES * PAGE);
        assertThat(hwpt.entryBytes(IOVA)).isZero();
        assertThat(hwpt.split(0, -1L, PAGE)).isZero();
    }

    @Test
    void entriesNeverReachIntoAnotherMapping() {
        ioas.unmapAll();
        ioas.mapAt(IOVA, rig.ram, 0, 8 * PAGE, DmaAccess.READ_WRITE);
        ioas.mapAt(IOVA + 8 * PAGE, rig.ram, 8 * PAGE, 8 * PAGE, DmaAccess.READ_WRITE);
        assertThat(hwpt.merge(0, -1L)).isZero();
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(PAGE);
        assertThat(ioas.unmap(IOVA, 8 * PAGE)).isEqualTo(8 * PAGE);
        assertThat(rig.reaches(port, IOVA + 8 * PAGE, 8 * PAGE)).isTrue();
    }

    @Test
    void badRequestsAreRefused() {
        assertRefused(Errno.EINVAL, () -> hwpt.split(IOVA, 0, PAGE));
        assertRefused(Errno.EINVAL, () -> hwpt.split(IOVA, LARGE, 2 * PAGE));
        assertRefused(Errno.EINVAL, () -> hwpt.split(IOVA, LARGE, 3));
        assertRefused(Errno.EINVAL, () -> hwpt.split(IOVA, LARGE, 0));
        assertRefused(Errno.EOVERFLOW, () -> hwpt.split(IOVA, -1L, PAGE));
        assertRefused(Errno.EINVAL, () -> hwpt.merge(IOVA, 0));
        assertRefused(Errno.EOVERFLOW, () -> hwpt.merge(-PAGE, 2 * PAGE));
        rig.hardware.sabotage.throwAt("split", 1, () -> new IommufdException(Errno.ENOMEM, "no frames"));
        assertRefused(Errno.ENOMEM, () -> hwpt.split(IOVA, LARGE, PAGE));
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        rig.hardware.largeEntries = false;
        PagingHwpt plain = rig.context.allocateHwpt(device, ioas, HwptOptions.none());
        assertRefused(Errno.EOPNOTSUPP, () -> plain.split(IOVA, LARGE, PAGE));
        assertRefused(Errno.EOPNOTSUPP, () -> plain.merge(IOVA, LARGE));
        assertRefused(Errno.EOPNOTSUPP, () -> plain.entryBytes(IOVA));
    }

    @Test
    void whereHugePagesAreForbiddenNothingIsMerged() {
        Ioas small = rig.context.allocateIoas();
        small.setHugePages(false);
        small.mapAt(IOVA, rig.ram, 0, LARGE, DmaAccess.READ_WRITE);
        PagingHwpt table = rig.context.allocateHwpt(device, small, HwptOptions.withDirtyTracking());
        assertRefused(Errno.EINVAL, () -> table.merge(IOVA, LARGE));
        table.setDirtyTracking(true);
        table.setDirtyTracking(false);
        assertThat(table.entryBytes(IOVA)).isEqualTo(PAGE);
    }

    @Test
    void trackingIsPreciseToThePageAndEntriesAreLargeAgainAfterwards() {
        hwpt.setDirtyTracking(true);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(PAGE);
        write(port, 3);
        write(port, 40);
        assertThat(dirty(true)).isEqualTo(pages(3, 40));
        ioas.unmap(IOVA, PAGES * PAGE);
        ioas.mapAt(IOVA, rig.ram, 0, PAGES * PAGE, DmaAccess.READ_WRITE);
        assertThat(hwpt.entryBytes(IOVA)).as("mapped while tracking").isEqualTo(PAGE);
        write(port, 5);
        assertThat(dirty(true)).isEqualTo(pages(5));
        hwpt.setDirtyTracking(false);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
    }

    @Test
    void pasidsAreTrackedPreciselyToo() {
        device.detach();
        device.attach(new Pasid(7), hwpt);
        hwpt.setDirtyTracking(true);
        write(endpoint.openPort(new Pasid(7)), 9);
        assertThat(dirty(true)).isEqualTo(pages(9));
    }

    @Test
    void aNestParentIsTrackedPrecisely() {
        hwpt = rig.context.allocateHwpt(device, ioas, new HwptOptions(true, true, false, Optional.empty()));
        device.replace(rig.context.allocateNestedHwpt(device, hwpt, Rig.shiftedBy(2 * PAGE), Optional.empty()));
        hwpt.setDirtyTracking(true);
        write(port, 9);
        assertThat(dirty(true)).isEqualTo(pages(11));
        hwpt.setDirtyTracking(false);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
    }

    @Test
    void withoutMemoryForItTrackingGoesByTheEntry() {
        rig.hardware.sabotage.throwAt("split", 1, () -> new IommufdException(Errno.ENOMEM, "no frames"));
        hwpt.setDirtyTracking(true);
        write(port, 3);
        assertThat(dirty(true)).isEqualTo(pages(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    }

    @Test
    void theEngineCanBeConfiguredToTrackByTheEntry() {
        rig.engine.configure(new EngineOptions(Duration.ofSeconds(20), Duration.ofSeconds(20), false));
        hwpt.setDirtyTracking(true);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
        write(port, 20);
        assertThat(dirty(true).cardinality()).isEqualTo(16);
    }

    @Test
    void whatIsRefusedLeavesEntriesLarge() {
        rig.hardware.sabotage.throwAt("setEnabled", 1, () -> new IommufdException(Errno.ENOMEM, "no log"));
        assertRefused(Errno.ENOMEM, () -> hwpt.setDirtyTracking(true));
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
        assertRefused(Errno.EINVAL, () -> dirty(true));
    }

    @Test
    void exactlyWhatWasWrittenIsReportedThroughExchangesOfHardware() throws Exception {
        FakeHardware second = new FakeHardware("second", "fake");
        second.largeEntries = true;
        rig.engine.add(second);
        hwpt.setDirtyTracking(true);
        for (int round = 0; round < 10; round++) {
            AtomicBoolean stop = new AtomicBoolean();
            SplittableRandom random = new SplittableRandom(round);
            CompletableFuture<BitSet> device = onItsThread(() -> {
                BitSet written = new BitSet();
                MemorySegment bytes = MemorySegment.ofArray(new int[] {1});
                while (!stop.get() || written.isEmpty()) {
                    int page = random.nextInt(PAGES / 2);
                    assertThat(port.write(IOVA + page * PAGE, bytes, 0, 4)).isEqualTo(DmaStatus.DONE);
                    written.set(page);
                }
                return written;
            });
            rig.engine.swap().swap(round % 2 == 0 ? "first" : "second", round % 2 == 0 ? "second" : "first");
            assertThat(hwpt.entryBytes(IOVA)).isEqualTo(PAGE);
            stop.set(true);
            assertThat(dirtyAfter(device)).as("round %d", round).isTrue();
        }
        hwpt.setDirtyTracking(false);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
        assertThat(rig.ram.segment().get(ValueLayout.JAVA_INT, 0)).isIn(0, 1);
    }

    private boolean dirtyAfter(CompletableFuture<BitSet> device) throws Exception {
        BitSet written = device.get(20, TimeUnit.SECONDS);
        assertThat(dirty(true)).isEqualTo(written);
        return true;
    }
}
