package iommu.smmuv3;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the compatibility kit does not ask, because it is this vendor's: both stages in turn, substreams beside them, ids. */
class Smmuv3BackendTest {
    private static final long IOVA = 0x4000_0000;
    private static final PagingOptions STAGE2 = new PagingOptions(true, false, false);

    private final ScratchTableMemory memory = new ScratchTableMemory();
    private final Faults faults = new Faults();
    private Smmuv3Backend backend;
    private HardwareEndpoint endpoint;
    private HardwareEndpoint neighbour;

    private static final class Faults implements FaultSink {
        final Queue<DmaFault> reported = new ConcurrentLinkedQueue<>();

        @Override
        public void unrecoverable(DmaFault fault) {
            reported.add(fault);
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            return false;
        }
    }

    @BeforeEach
    void start() {
        backend = new Smmuv3Backend("smmu7", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, memory);
        endpoint = backend.probe(EndpointDescription.of(new RequesterId(0x108)).withPasidBits(10), faults);
        neighbour = backend.probe(EndpointDescription.of(new RequesterId(0x109)), faults);
    }

    @AfterEach
    void stop() {
        backend.close();
        assertThat(memory.bytesInUse()).as("bytes of frames after the end").isZero();
        memory.close();
    }

    /** A domain that maps {@link #IOVA} to its own page. */
    private final class Target implements AutoCloseable {
        final long page = memory.ram(4096, 4096);
        final PagingDomain domain;

        Target(PagingOptions options) {
            domain = endpoint.allocatePaging(options);
            domain.map(IOVA, runs(page, 4096), READ_WRITE);
        }

        boolean receives(HardwarePort port) {
            long value = System.nanoTime();
            assertThat(write(port, value)).as("%s", port.lastFault()).isEqualTo(DmaStatus.DONE);
            return HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, page) == value;
        }

        @Override
        public void close() {
            domain.close();
        }
    }

    private static PinnedRuns runs(long physicalAddress, long bytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(physicalAddress, bytes);
        return runs;
    }

    private static DmaStatus write(HardwarePort port, long value) {
        return port.write(IOVA, MemorySegment.ofArray(new long[] {value}), 0, 8);
    }

    private static void refused(Errno errno, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOfSatisfying(IommufdException.class,
                failure -> assertThat(failure.errno()).isEqualTo(errno));
    }

    @Test
    void stagesReplaceEachOtherUnderDmaThatNeverSeesAGap() throws InterruptedException {
        PagingOptions[] kinds = {PagingOptions.PLAIN, STAGE2, STAGE2, PagingOptions.PLAIN, PagingOptions.PLAIN};
        Target[] targets = new Target[kinds.length];
        for (int i = 0; i < kinds.length; i++) {
            targets[i] = new Target(kinds[i]);
        }
        endpoint.attach(Pasid.NONE, targets[0].domain);
        neighbour.attach(Pasid.NONE, targets[1].domain);
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<String> gap = new AtomicReference<>();
        Thread[] devices = {device(endpoint, stop, gap), device(neighbour, stop, gap)};
        for (int i = 0; i < 3000 && gap.get() == null; i++) {
            endpoint.attach(Pasid.NONE, targets[i % targets.length].domain);
        }
        stop.set(true);
        for (Thread device : devices) {
            device.join();
        }
        assertThat(gap.get()).isNull();
        assertThat(faults.reported).isEmpty();
        assertThat(targets[2999 % targets.length].receives(endpoint.openPort(Pasid.NONE))).isTrue();
        endpoint.block(Pasid.NONE);
        neighbour.block(Pasid.NONE);
        for (Target target : targets) {
            target.close();
        }
    }

    private static Thread device(HardwareEndpoint from, AtomicBoolean stop, AtomicReference<String> gap) {
        HardwarePort port = from.openPort(Pasid.NONE);
        return Thread.ofPlatform().start(() -> {
            while (!stop.get()) {
                if (write(port, 1) != DmaStatus.DONE) {
                    gap.set(port.lastFault().toString());
                }
            }
        });
    }

    @Test
    void afterAttachReturnedNothingReachesTheFormerDomain() {
        try (Target first = new Target(PagingOptions.PLAIN); Target second = new Target(PagingOptions.PLAIN)) {
            HardwarePort port = endpoint.openPort(Pasid.NONE);
            for (int i = 0; i < 100; i++) {
                Target now = i % 2 == 0 ? first : second;
                endpoint.attach(Pasid.NONE, now.domain);
                assertThat(now.receives(port)).isTrue();
            }
            endpoint.block(Pasid.NONE);
            assertThat(write(port, 1)).isEqualTo(DmaStatus.FAULTED);
        }
    }

    @Test
    void substreamsLiveBesideRequestsWithoutAndAlone() {
        try (Target plain = new Target(PagingOptions.PLAIN); Target one = new Target(new PagingOptions(false, false, true));
                Target two = new Target(new PagingOptions(false, false, true)); Target stage2 = new Target(STAGE2)) {
            HardwarePort unnamed = endpoint.openPort(Pasid.NONE);
            HardwarePort pasid1 = endpoint.openPort(1);
            HardwarePort pasid700 = endpoint.openPort(700);
            endpoint.attach(1, one.domain);
            assertThat(one.receives(pasid1)).isTrue();
            assertThat(write(unnamed, 1)).isEqualTo(DmaStatus.FAULTED);
            assertThat(unnamed.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
            endpoint.attach(Pasid.NONE, plain.domain);
            endpoint.attach(700, two.domain);
            assertThat(plain.receives(unnamed) && one.receives(pasid1) && two.receives(pasid700)).isTrue();
            endpoint.attach(1, two.domain);
            assertThat(two.receives(pasid1)).isTrue();
            refused(Errno.EINVAL, () -> endpoint.attach(Pasid.NONE, stage2.domain));
            refused(Errno.EINVAL, () -> endpoint.attach(1, stage2.domain));
            refused(Errno.EINVAL, () -> endpoint.attach(0, one.domain));
            refused(Errno.EINVAL, () -> endpoint.attach(1024, one.domain));
            refused(Errno.EOPNOTSUPP, () -> neighbour.attach(1, one.domain));
            endpoint.block(Pasid.NONE);
            assertThat(two.receives(pasid700)).isTrue();
            endpoint.block(1);
            endpoint.block(700);
            assertThat(write(pasid1, 1)).isEqualTo(DmaStatus.FAULTED);
            endpoint.attach(Pasid.NONE, stage2.domain);
            refused(Errno.EINVAL, () -> endpoint.attach(1, one.domain));
            assertThat(stage2.receives(unnamed)).isTrue();
            endpoint.block(Pasid.NONE);
        }
    }

    /** Every way to attach, with every frame allocation in it failing once. */
    @Test
    void anAttachWithoutMemoryChangesNothing() {
        try (Target plain = new Target(PagingOptions.PLAIN); Target other = new Target(PagingOptions.PLAIN);
                Target stage2 = new Target(STAGE2); Target more = new Target(STAGE2)) {
            int failures = 0;
            failures += failEach(() -> { }, Pasid.NONE, plain);
            failures += failEach(() -> endpoint.attach(Pasid.NONE, other.domain), Pasid.NONE, plain);
            failures += failEach(() -> endpoint.attach(Pasid.NONE, stage2.domain), Pasid.NONE, plain);
            failures += failEach(() -> endpoint.attach(Pasid.NONE, other.domain), Pasid.NONE, stage2);
            failures += failEach(() -> endpoint.attach(Pasid.NONE, more.domain), Pasid.NONE, stage2);
            failures += failEach(() -> { }, 3, plain);
            failures += failEach(() -> endpoint.attach(Pasid.NONE, other.domain), 3, plain);
            failures += failEach(() -> endpoint.attach(3, other.domain), 3, plain);
            failures += failEach(() -> endpoint.attach(3, other.domain), Pasid.NONE, plain);
            failures += failEach(() -> endpoint.attach(900, other.domain), 3, plain);
            assertThat(failures).as("failed attaches").isGreaterThan(10);
        }
    }

    private int failEach(Runnable before, int pasid, Target target) {
        for (int n = 1; ; n++) {
            before.run();
            HardwarePort port = endpoint.openPort(pasid);
            DmaStatus status = write(port, 7);
            long frames = memory.bytesInUse();
            memory.failAllocation(n);
            try {
                endpoint.attach(pasid, target.domain);
                memory.failAllocation(0);
                assertThat(target.receives(port)).isTrue();
                blockEverything();
                return n - 1;
            } catch (IommufdException failure) {
                assertThat(failure.errno()).isEqualTo(Errno.ENOMEM);
                assertThat(memory.bytesInUse()).isEqualTo(frames);
                HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, target.page, 0);
                assertThat(write(port, 8)).isEqualTo(status);
                assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, target.page)).isZero();
                blockEverything();
            }
        }
    }

    private void blockEverything() {
        endpoint.block(3);
        endpoint.block(900);
        endpoint.block(Pasid.NONE);
    }

    @Test
    void mapUnmapAndDmaAllocateNothing() {
        try (Target target = new Target(PagingOptions.PLAIN)) {
            endpoint.attach(Pasid.NONE, target.domain);
            HardwarePort port = endpoint.openPort(Pasid.NONE);
            PinnedRuns small = runs(target.page, 4096);
            PinnedRuns large = runs(memory.ram(4 << 20, 2 << 20), 4 << 20);
            MemorySegment value = MemorySegment.ofArray(new long[] {5});
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long id = Thread.currentThread().threadId();
            long allocated = 0;
            int rounds = 30_000;
            for (int turn = 0; turn < 3; turn++) {
                long before = threads.getThreadAllocatedBytes(id);
                for (int i = 0; i < rounds; i++) {
                    target.domain.map(IOVA + 4096, small, READ_WRITE);
                    port.write(IOVA + 4096, value, 0, 8);
                    target.domain.unmap(IOVA + 4096, IOVA + 8191);
                    target.domain.mapSmallest(IOVA + (4 << 20), large, READ_WRITE);
                    target.domain.unmap(IOVA + (4 << 20), IOVA + (8 << 20) - 1);
                }
                allocated = threads.getThreadAllocatedBytes(id) - before;
            }
            assertThat(allocated).as("bytes in %d rounds", rounds).isLessThan(rounds);
            endpoint.block(Pasid.NONE);
        }
    }

    @Test
    void informationIsThatOfTheKernelsStructure() {
        ByteBuffer info = ByteBuffer.wrap(endpoint.info().bytes()).order(ByteOrder.nativeOrder());
        assertThat(endpoint.info().type()).isEqualTo(2);
        assertThat(endpoint.info().pasidBits()).isEqualTo(10);
        assertThat(neighbour.info().pasidBits()).isZero();
        assertThat(info.remaining()).isEqualTo(40);
        assertThat(info.getLong(0)).as("flags, reserved").isZero();
        int idr0 = info.getInt(8);
        assertThat(idr0 & 3).as("both stages").isEqualTo(3);
        assertThat(idr0 >>> 10 & 1).as("no ATS").isZero();
        assertThat(info.getInt(12) & 0x3f).as("SIDSIZE").isEqualTo(20);
        assertThat(info.getInt(12) >>> 6 & 0x1f).as("SSIDSIZE").isEqualTo(20);
        assertThat(info.getInt(28) >>> 4 & 7).as("granules").isEqualTo(7);
        assertThat(info.getInt(36)).as("SMMUv3.1").isEqualTo(1);
    }

    @Test
    void softwareMayPlaceMessagesWhereLinuxDoes() {
        assertThat(endpoint.reservedRegions()).hasSize(1);
        ReservedRegion window = endpoint.reservedRegions().getFirst();
        assertThat(window.kind()).isEqualTo(ReservedRegion.Kind.SOFTWARE_MSI);
        assertThat(window.range().start()).isEqualTo(0x800_0000);
        assertThat(window.range().last()).isEqualTo(0x80f_ffff);
    }

    @Test
    void streamsBeyondTheTableAreNotBehindThisUnit() {
        refused(Errno.ENODEV, () -> backend.probe(EndpointDescription.of(new RequesterId(1 << 20)), faults));
        refused(Errno.EBUSY, () -> backend.probe(EndpointDescription.of(new RequesterId(0x108)), faults));
    }

    @Test
    void nestingWithoutAViommuAndUnknownViommusAreRefusedCleanly() {
        try (Target parent = new Target(STAGE2)) {
            refused(Errno.EOPNOTSUPP, () -> endpoint.allocateNested(parent.domain, new NestedTable(2, new byte[16])));
            refused(Errno.EOPNOTSUPP, () -> endpoint.allocateViommu(parent.domain, new ViommuTable(2, new byte[0])));
        }
    }

    @Test
    void moreFaultsThanTheEventQueueHoldsAreAllReportedIfReadInTime() {
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        for (int i = 0; i < 1000; i++) {
            write(port, 1);
        }
        assertThat(faults.reported).hasSize(1000).allSatisfy(fault -> {
            assertThat(fault.requesterId()).isEqualTo(new RequesterId(0x108));
            assertThat(fault.hardware()).isEqualTo("smmu7");
            assertThat(fault.kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        });
    }

    @Test
    void identifiersAreGivenBack() {
        for (int i = 0; i < 70_000; i++) {
            endpoint.allocatePaging(PagingOptions.PLAIN).close();
        }
    }
}
