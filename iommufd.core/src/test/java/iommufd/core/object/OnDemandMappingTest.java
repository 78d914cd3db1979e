package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.OnDemandMapping;
import iommufd.api.OnDemandOptions;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An address space that pins nothing until a device asks for it. */
@Timeout(60)
class OnDemandMappingTest {
    private static final long IOVA = 1L << 30;
    private static final int PAGES = 16;
    private final Rig rig = new Rig();
    private final CountingMemory memory = new CountingMemory(rig.ram);
    private DmaEndpoint endpoint;
    private BoundDevice device;
    private Ioas ioas;
    private DmaPort port;

    @BeforeEach
    void open() {
        endpoint = rig.plug(1, 1, 8, true);
        device = rig.context.bind(endpoint);
        ioas = rig.context.allocateIoas();
        device.attach(ioas);
        port = endpoint.openPort();
    }

    @AfterEach
    void close() {
        rig.close();
        assertThat(memory.pinned.get()).as("bytes left pinned").isZero();
    }

    private OnDemandMapping map(OnDemandOptions options) {
        return ioas.mapOnDemand(IOVA, memory, 0, PAGES * PAGE, DmaAccess.READ_WRITE, options);
    }

    private byte byteAt(long offset) {
        return rig.ram.segment().get(ValueLayout.JAVA_BYTE, offset);
    }

    private static DmaStatus write(DmaPort where, long iova, int value) {
        return where.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @Test
    void nothingIsPinnedUntilADeviceTouchesIt() {
        OnDemandMapping mapping = map(OnDemandOptions.PAGES);
        assertThat(memory.pinned.get()).isZero();
        assertThat(ioas.mappedBytes()).isZero();
        assertThat(write(port, IOVA + 3 * PAGE + 5, 42)).isEqualTo(DmaStatus.DONE);
        assertThat(byteAt(3 * PAGE + 5)).isEqualTo((byte) 42);
        assertThat(memory.pinned.get()).isEqualTo(PAGE);
        assertThat(mapping.residentBytes()).isEqualTo(PAGE);
        assertThat(mapping.pagesServed()).isEqualTo(1);
        byte[] across = new byte[(int) (3 * PAGE)];
        assertThat(port.read(IOVA + 2 * PAGE - 10, MemorySegment.ofArray(across), 0, across.length)).isEqualTo(DmaStatus.DONE);
        assertThat(across[(int) PAGE + 10 + 5]).isEqualTo((byte) 42);
        assertThat(mapping.residentBytes()).isEqualTo(4 * PAGE);
    }

    @Test
    void chunksComeWhole() {
        OnDemandMapping mapping = map(new OnDemandOptions(4 * PAGE, Long.MAX_VALUE));
        assertThat(write(port, IOVA + 6 * PAGE, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(mapping.residentBytes()).isEqualTo(4 * PAGE);
        assertThat(write(port, IOVA + 4 * PAGE, 2)).isEqualTo(DmaStatus.DONE);
        assertThat(mapping.pagesServed()).isEqualTo(1);
        assertThat(mapping.evict(IOVA + 5 * PAGE, 1)).isEqualTo(4 * PAGE);
        assertThat(memory.pinned.get()).isZero();
    }

    @Test
    void noMoreIsResidentThanAllowed() {
        OnDemandMapping mapping = map(new OnDemandOptions(PAGE, 2 * PAGE));
        for (int page = 0; page < PAGES; page++) {
            assertThat(write(port, IOVA + page * PAGE, page + 1)).isEqualTo(DmaStatus.DONE);
            assertThat(mapping.residentBytes()).isLessThanOrEqualTo(2 * PAGE);
            assertThat(memory.pinned.get()).isEqualTo(mapping.residentBytes());
        }
        for (int page = 0; page < PAGES; page++) {
            assertThat(byteAt(page * PAGE)).isEqualTo((byte) (page + 1));
        }
        assertThat(mapping.pagesServed()).isEqualTo(PAGES);
    }

    @Test
    void whoCannotHaveThePageFaults() {
        OnDemandMapping readOnly = ioas.mapOnDemand(IOVA, memory, 0, PAGE, DmaAccess.READ, OnDemandOptions.PAGES);
        assertThat(write(port, IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(readOnly.pagesRefused()).isEqualTo(1);
        assertThat(port.read(IOVA, MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.DONE);
        OnDemandMapping beyond = ioas.mapOnDemand(2 * IOVA, memory, 8 << 20, 4 * PAGE, DmaAccess.READ_WRITE, OnDemandOptions.PAGES);
        assertThat(write(port, 2 * IOVA, 1)).as("behind the end of the memory").isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.TRANSLATION, DmaFault::kind);
        assertThat(beyond.pagesRefused()).isPositive();
        assertThat(write(port, 3 * IOVA, 1)).as("nobody's").isEqualTo(DmaStatus.FAULTED);
        BoundDevice plain = rig.bind(2);
        plain.attach(ioas);
        map2();
        assertThat(write(plain.endpoint().openPort(), 4 * IOVA, 1)).as("a device that cannot ask").isEqualTo(DmaStatus.FAULTED);
        assertThat(write(port, 4 * IOVA, 7)).isEqualTo(DmaStatus.DONE);
        assertThat(write(plain.endpoint().openPort(), 4 * IOVA, 9)).as("now that it is there").isEqualTo(DmaStatus.DONE);
    }

    private void map2() {
        ioas.mapOnDemand(4 * IOVA, memory, PAGE, PAGE, DmaAccess.READ_WRITE, OnDemandOptions.PAGES);
    }

    @Test
    void aLimitOfPinnedPagesMakesTheOldestGo() {
        memory.limit = 3 * PAGE;
        OnDemandMapping mapping = map(OnDemandOptions.PAGES);
        for (int page = 0; page < PAGES; page++) {
            assertThat(write(port, IOVA + page * PAGE, page + 1)).isEqualTo(DmaStatus.DONE);
        }
        assertThat(mapping.residentBytes()).isLessThanOrEqualTo(3 * PAGE);
        memory.limit = 0;
        assertThat(write(port, IOVA + PAGES / 2 * PAGE, 1)).isEqualTo(DmaStatus.FAULTED);
        memory.limit = Long.MAX_VALUE;
        assertThat(write(port, IOVA + PAGES / 2 * PAGE, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void whatIsUnmappedOrEvictedComesBack() {
        OnDemandMapping mapping = map(OnDemandOptions.PAGES);
        assertThat(write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(mapping.evict(IOVA, PAGES * PAGE)).isEqualTo(PAGE);
        assertThat(write(port, IOVA, 2)).isEqualTo(DmaStatus.DONE);
        assertThat(ioas.unmap(IOVA, PAGE)).isEqualTo(PAGE);
        assertThat(write(port, IOVA, 3)).isEqualTo(DmaStatus.DONE);
        assertThat(byteAt(0)).isEqualTo((byte) 3);
        assertThat(mapping.pagesServed()).isEqualTo(3);
        mapping.close();
        assertThat(memory.pinned.get()).isZero();
        assertThat(write(port, IOVA, 4)).isEqualTo(DmaStatus.FAULTED);
        ioas.mapAt(IOVA, memory, 0, PAGE, DmaAccess.READ_WRITE);
        assertThat(write(port, IOVA, 5)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void badRequestsAreRefused() {
        OnDemandMapping mapping = map(OnDemandOptions.PAGES);
        assertRefused(Errno.EINVAL, () -> ioas.mapOnDemand(0x800, memory, 0, PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EINVAL, () -> ioas.mapOnDemand(0, memory, 1, PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EINVAL, () -> ioas.mapOnDemand(0, memory, 0, 100, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EINVAL, () -> ioas.mapOnDemand(0, memory, 0, 0, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EOVERFLOW, () -> ioas.mapOnDemand(-PAGE, memory, 0, 2 * PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EOVERFLOW, () -> ioas.mapOnDemand(0, memory, -PAGE, 2 * PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        assertRefused(Errno.EEXIST, () -> map(OnDemandOptions.PAGES));
        assertRefused(Errno.EEXIST, () -> ioas.mapAt(IOVA + PAGE, memory, 0, PAGE, DmaAccess.READ));
        assertRefused(Errno.EINVAL, () -> new OnDemandOptions(PAGE / 2, PAGE));
        assertRefused(Errno.EINVAL, () -> new OnDemandOptions(3 * PAGE, 8 * PAGE));
        assertRefused(Errno.EINVAL, () -> new OnDemandOptions(2 * PAGE, PAGE));
        assertRefused(Errno.EINVAL, () -> mapping.evict(IOVA, PAGES * PAGE + 1));
        assertRefused(Errno.EINVAL, () -> mapping.evict(IOVA - 1, 2));
        assertRefused(Errno.EINVAL, () -> mapping.evict(IOVA, -1));
        ioas.mapAt(IOVA - PAGE, memory, 0, PAGE, DmaAccess.READ);
        assertRefused(Errno.EEXIST, () -> ioas.mapOnDemand(IOVA - PAGE, memory, 0, PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        assertThat(ioas.iovaRanges().usable()).as("where others can map").noneMatch(range -> range.overlaps(new IovaRange(IOVA, IOVA)));
        rig.hardware.reservedRegions = List.of(new ReservedRegion(new IovaRange(IOVA, IOVA + PAGE - 1), ReservedRegion.Kind.RESERVED));
        BoundDevice contradicting = rig.bind(3);
        assertRefused(Errno.EADDRINUSE, () -> contradicting.attach(ioas));
    }

    @Test
    void whatNobodyMappedOnDemandGoesToTheFaultQueue() throws Exception {
        FaultQueue queue = rig.context.allocateFaultQueue();
        map(OnDemandOptions.PAGES);
        device.replace(rig.context.allocateHwpt(device, ioas, new HwptOptions(false, false, false, Optional.of(queue))));
        assertThat(write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(queue.read(8)).isEmpty();
        var other = onItsThread(() -> write(port, 2 * IOVA, 9));
        assertThat(queue.awaitReadable(Duration.ofSeconds(10))).isTrue();
        FaultRecord record = queue.read(8).getFirst();
        assertThat(record.iova()).isEqualTo(2 * IOVA);
        ioas.mapAt(2 * IOVA, memory, PAGE, PAGE, DmaAccess.READ_WRITE);
        queue.respond(record.cookie(), FaultResponse.SUCCESS);
        assertThat(other.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.DONE);
        assertThat(byteAt(PAGE)).isEqualTo((byte) 9);
    }

    @Test
    void pasidsAreServedToo() {
        map(OnDemandOptions.PAGES);
        device.detach();
        device.attach(new Pasid(5), rig.context.allocateHwpt(device, ioas, HwptOptions.forPasid()));
        assertThat(write(endpoint.openPort(new Pasid(5)), IOVA + PAGE, 6)).isEqualTo(DmaStatus.DONE);
        assertThat(byteAt(PAGE)).isEqualTo((byte) 6);
    }

    @Test
    void pagesComeAndGoUnderDevicesWhileHardwareIsExchanged() throws Exception {
        OnDemandMapping mapping = map(new OnDemandOptions(PAGE, 6 * PAGE));
        AtomicBoolean stop = new AtomicBoolean();
        List<CompletableFuture<int[]>> writers = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            DmaPort own = endpoint.openPort();
            long offset = number * 16L;
            SplittableRandom random = new SplittableRandom(number);
            writers.add(onItsThread(() -> {
                int[] last = new int[PAGES];
                MemorySegment bytes = MemorySegment.ofArray(new int[1]);
                for (int turn = 1; !stop.get(); turn++) {
                    int page = random.nextInt(PAGES);
                    bytes.set(ValueLayout.JAVA_INT, 0, turn);
                    assertThat(own.write(IOVA + page * PAGE + offset, bytes, 0, 4)).isEqualTo(DmaStatus.DONE);
                    last[page] = turn;
                }
                return last;
            }));
        }
        FakeHardware second = new FakeHardware("second", "fake");
        rig.engine.add(second);
        for (int round = 0; round < 20; round++) {
            mapping.evict(IOVA + round % PAGES * PAGE, PAGE);
            rig.engine.swap().swap(round % 2 == 0 ? "first" : "second", round % 2 == 0 ? "second" : "first");
        }
        stop.set(true);
        for (int number = 0; number < writers.size(); number++) {
            int[] last = writers.get(number).get(20, TimeUnit.SECONDS);
            for (int page = 0; page < PAGES; page++) {
                assertThat(rig.ram.segment().get(ValueLayout.JAVA_INT, page * PAGE + number * 16L)).isEqualTo(last[page]);
            }
        }
        assertThat(mapping.residentBytes()).isLessThanOrEqualTo(6 * PAGE);
        mapping.close();
        assertThat(memory.pinned.get()).isZero();
    }

    /** Counts what is pinned, up to a limit. */
    private static final class CountingMemory implements UserMemory {
        final AtomicLong pinned = new AtomicLong();
        volatile long limit = Long.MAX_VALUE;
        private final UserMemory memory;

        CountingMemory(UserMemory memory) {
            this.memory = memory;
        }

        @Override
        public Kind kind() {
            return memory.kind();
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            if (pinned.get() + lengthBytes > limit) {
                throw new IommufdException(Errno.ENOMEM, "the test's limit");
            }
            memory.pin(address, lengthBytes, writable, runs);
            pinned.addAndGet(lengthBytes);
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) {
            pinned.addAndGet(-lengthBytes);
            memory.unpin(physicalAddress, lengthBytes);
        }
    }
}
