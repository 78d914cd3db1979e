package iommu.smmuv3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
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
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What iommufd's clients do for guests, by the driver: a guest's stream table entry, its commands and events; and page requests. */
class GuestStagesTest {
    private static final long IOVA = 0x1000;
    private static final long GUEST_RAM = 0x4000_0000L;
    private static final long VIRTUAL_SID = 0x42;
    private static final long CONTEXT = 16 | 1L << 30 | 1L << 31 | 5L << 32 | 1L << 41 | 1L << 45 | 1L << 46 | 3L << 48;
    private static final long LEAF = 3 | 1 << 6 | 1 << 10 | 1 << 11;
    private static final PagingOptions PARENT = new PagingOptions(true, false, false);

    private final ScratchTableMemory memory = new ScratchTableMemory();
    private final Faults faults = new Faults();
    private final MemorySegment buffer = MemorySegment.ofArray(new long[1]);
    private final List<byte[]> events = new ArrayList<>();
    private Smmuv3Backend backend;
    private HardwareEndpoint endpoint;
    private PagingDomain parent;
    private HardwareViommu viommu;
    /** Guest RAM of 16 pages: tables, context and data. */
    private long ram;

    /** Notes everything; answers page requests if told to. */
    private static final class Faults implements FaultSink {
        final ConcurrentLinkedQueue<DmaFault> reported = new ConcurrentLinkedQueue<>();
        final LinkedBlockingQueue<PageRequest> requests = new LinkedBlockingQueue<>();
        volatile boolean listens;

        @Override
        public void unrecoverable(DmaFault fault) {
            reported.add(fault);
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            return listens && requests.add(request);
        }
    }

    private void start(boolean stalls) {
        backend = new Smmuv3Backend("smmu7", SmmuFeatures.host(20, stalls), DriverOptions.DEFAULT, memory);
        endpoint = backend.probe(new EndpointDescription(new RequesterId(0x108), 1, 10, true), faults);
    }

    private void startGuest() {
        start(false);
        parent = endpoint.allocatePaging(PARENT);
        ram = memory.ram(16 * 4096, 4096);
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(ram, 16 * 4096);
        parent.map(GUEST_RAM, runs, DmaAccess.READ_WRITE);
        viommu = endpoint.allocateViommu(parent, new ViommuTable(1, new byte[0]));
        assertThat(viommu.openEvents(1, events::add)).isTrue();
        assertThat(viommu.openEvents(7, events::add)).isFalse();
        viommu.addDevice(endpoint, VIRTUAL_SID);
        // The guest's tables: page 1 has its context, 2 to 5 its page tables, 6 and 7 data.
        PhysicalWords.set(ram + 0x1000, CONTEXT);
        PhysicalWords.set(ram + 0x1008, GUEST_RAM + 0x2000);
        for (int level = 2; level < 5; level++) {
            PhysicalWords.set(ram + level * 0x1000L, GUEST_RAM + (level + 1) * 0x1000L | 3);
        }
        PhysicalWords.set(ram + 0x5000 + (IOVA >>> 12) * 8, GUEST_RAM + 0x6000 | LEAF);
    }

    @AfterEach
    void stop() {
        if (parent != null) {
            endpoint.block(Pasid.NONE);
            viommu.close();
            parent.close();
        }
        backend.close();
        assertThat(memory.bytesInUse()).as("bytes of frames after the end").isZero();
        memory.close();
    }

    private static NestedTable entry(long word0, long word1) {
        return new NestedTable(2, ByteBuffer.allocate(16).order(ByteOrder.nativeOrder()).putLong(word0).putLong(word1).array());
    }

    private static InvalidationEntries commands(long... words) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length * 8).order(ByteOrder.LITTLE_ENDIAN);
        for (long word : words) {
            bytes.putLong(word);
        }
        return new InvalidationEntries(1, 16, words.length / 2, MemorySegment.ofArray(bytes.array()));
    }

    private static void refused(Errno errno, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOfSatisfying(IommufdException.class, failure -> assertThat(failure.errno()).isEqualTo(errno));
    }

    private DmaStatus write(HardwarePort port, long value) {
        buffer.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        return port.write(IOVA, buffer, 0, 8);
    }

    private static long nested() {
        return 1 | 5 << 1 | GUEST_RAM + 0x1000;
    }

    @Test
    void requestsGoThroughTheGuestsTablesAndTheHosts() {
        startGuest();
        NestedDomain domain = viommu.allocateNested(endpoint, entry(nested(), 0));
        endpoint.attach(Pasid.NONE, domain);
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        assertThat(write(port, 5)).as("%s", port.lastFault()).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(ram + 0x6000)).isEqualTo(5);
        PhysicalWords.set(ram + 0x5000 + (IOVA >>> 12) * 8, GUEST_RAM + 0x7000 | LEAF);
        assertThat(write(port, 6)).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(ram + 0x6000)).as("cached").isEqualTo(6);
        InvalidationResult result = viommu.invalidate(commands(0x12 | 3L << 48, IOVA | 1, 0x46 & 0, 0));
        assertThat(result).as("the second command is none").isEqualTo(new InvalidationResult(0, Optional.of(Errno.EIO)));
        assertThat(viommu.invalidate(commands(0x12 | 3L << 48 | 99L << 32, IOVA | 1))).isEqualTo(InvalidationResult.complete(1));
        assertThat(write(port, 7)).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(ram + 0x7000)).as("with the VMID of the host").isEqualTo(7);
    }

    @Test
    void configurationIsInvalidatedByTheGuestsStreamId() {
        startGuest();
        endpoint.attach(Pasid.NONE, viommu.allocateNested(endpoint, entry(nested(), 0)));
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        assertThat(write(port, 5)).isEqualTo(DmaStatus.DONE);
        PhysicalWords.set(ram + 0x1000, 0);
        assertThat(viommu.invalidate(commands(0x05 | 0x108L << 32, 1))).as("the host's number").isEqualTo(new InvalidationResult(0, Optional.of(Errno.EIO)));
        assertThat(write(port, 5)).isEqualTo(DmaStatus.DONE);
        assertThat(viommu.invalidate(commands(0x05 | VIRTUAL_SID << 32, 1))).isEqualTo(InvalidationResult.complete(1));
        assertThat(write(port, 5)).isEqualTo(DmaStatus.FAULTED);
        assertThat(events).hasSize(1);
        assertThat(events.getFirst()).isEqualTo(ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN).putLong(0x0a | VIRTUAL_SID << 32).array());
    }

    @Test
    void eventsOfTheFirstStageGoToTheGuestAndOthersDoNot() {
        startGuest();
        endpoint.attach(Pasid.NONE, viommu.allocateNested(endpoint, entry(nested(), 0)));
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        PhysicalWords.set(ram + 0x5000 + (IOVA >>> 12) * 8, 0);
        assertThat(write(port, 5)).isEqualTo(DmaStatus.FAULTED);
        ByteBuffer record = ByteBuffer.wrap(events.getFirst()).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(record.getLong()).isEqualTo(0x10 | VIRTUAL_SID << 32);
        assertThat(record.getLong()).isEqualTo(2L << 40);
        assertThat(record.getLong()).isEqualTo(IOVA);
        PhysicalWords.set(ram + 0x5000 + (IOVA >>> 12) * 8, 0x9000_0000L | LEAF);
        assertThat(write(port, 5)).as("outside of what the host gave").isEqualTo(DmaStatus.FAULTED);
        assertThat(events).hasSize(1);
        assertThat(faults.reported).hasSize(2);
        viommu.closeEvents(1);
        PhysicalWords.set(ram + 0x5000 + (IOVA >>> 12) * 8, 0);
        assertThat(write(port, 5)).isEqualTo(DmaStatus.FAULTED);
        assertThat(events).hasSize(1);
    }

    @Test
    void entriesThatPassOrAbort() {
        startGuest();
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        endpoint.attach(Pasid.NONE, viommu.allocateNested(endpoint, entry(1 | 4 << 1, 0)));
        buffer.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 9);
        assertThat(port.write(GUEST_RAM + 0x6000, buffer, 0, 8)).as("the second stage alone").isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(ram + 0x6000)).isEqualTo(9);
        for (long word0 : new long[] {0, 1}) {
            endpoint.attach(Pasid.NONE, viommu.allocateNested(endpoint, entry(word0, 0)));
            assertThat(port.write(GUEST_RAM + 0x6000, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        }
    }

    @Test
    void whatOnlyTheHostMaySayIsRefused() {
        startGuest();
        for (long[] words : new long[][] {{1 | 6 << 1, 0}, {1 | 7 << 1, 0}, {nested() | 1L << 56, 0}, {nested(), 2L << 28}, {nested(), 1L << 30},
            {nested(), 1L << 48}}) {
            refused(Errno.EIO, () -> viommu.allocateNested(endpoint, entry(words[0], words[1])));
        }
        refused(Errno.EINVAL, () -> viommu.allocateNested(endpoint, new NestedTable(1, new byte[16])));
        refused(Errno.EINVAL, () -> viommu.allocateNested(endpoint, new NestedTable(2, new byte[8])));
        refused(Errno.EOPNOTSUPP, () -> endpoint.allocateNested(parent, entry(nested(), 0)));
        refused(Errno.EOPNOTSUPP, () -> endpoint.allocateViommu(parent, new ViommuTable(2, new byte[0])));
        try (PagingDomain first = endpoint.allocatePaging(PagingOptions.PLAIN)) {
            refused(Errno.EINVAL, () -> endpoint.allocateViommu(first, new ViommuTable(1, new byte[0])));
        }
        NestedDomain domain = viommu.allocateNested(endpoint, entry(nested(), 0));
        refused(Errno.EINVAL, () -> endpoint.attach(5, domain));
        viommu.removeDevice(VIRTUAL_SID);
        refused(Errno.ENOENT, () -> endpoint.attach(Pasid.NONE, domain));
    }

    @Test
    void commandsThatCouldStopTheSharedQueueNeverReachIt() {
        startGuest();
        long[][] bad = {{0x03 | VIRTUAL_SID << 32, 0}, {0x04, 31}, {0x28, 0}, {0x2a, 0x1000}, {0x40 | VIRTUAL_SID << 32, 0}, {0x46, 0}, {0xff, 0},
            {0x05 | 1 << 10 | VIRTUAL_SID << 32, 0}, {0x12, 1 << 10}, {0x12 | 1 << 12, 0}, {0x12, 2 << 10 | 1 << 8}, {0x30 | 1L << 63, 0},
            {0x11, 1}, {0x20, 0}, {0x44, 0}};
        for (long[] words : bad) {
            assertThat(viommu.invalidate(commands(words))).as("0x%x 0x%x", words[0], words[1])
                    .isEqualTo(new InvalidationResult(0, Optional.of(Errno.EIO)));
        }
        assertThat(viommu.invalidate(commands(0x30, 0, 0x10, 0, 0x11 | 1L << 48, 0, 0x13, IOVA, 0x06 | VIRTUAL_SID << 32, 0,
                0x12 | 3 << 12, 1 << 10 | IOVA))).isEqualTo(InvalidationResult.complete(6));
        refused(Errno.EINVAL, () -> viommu.invalidate(new InvalidationEntries(2, 16, 1, MemorySegment.ofArray(new long[2]))));
        refused(Errno.EINVAL, () -> viommu.invalidate(new InvalidationEntries(1, 8, 1, MemorySegment.ofArray(new long[2]))));
        refused(Errno.E2BIG, () -> viommu.invalidate(new InvalidationEntries(1, 24, 1, MemorySegment.ofArray(new long[] {0x30, 0, 1}))));
    }

    @Test
    void batchesBeforeARefusedCommandAreCarriedOut() {
        startGuest();
        long[] words = new long[2 * 100];
        for (int i = 0; i < 100; i++) {
            words[2 * i] = i == 80 ? 0xff : 0x30;
        }
        assertThat(viommu.invalidate(commands(words))).isEqualTo(new InvalidationResult(63, Optional.of(Errno.EIO)));
    }

    private CompletableFuture<DmaStatus> writing(HardwarePort port) {
        return CompletableFuture.supplyAsync(() -> port.write(IOVA, MemorySegment.ofArray(new long[] {77}), 0, 8));
    }

    @Test
    void aFaultingRequestWaitsForUserSpaceAndIsTriedAgain() throws Exception {
        start(true);
        faults.listens = true;
        try (PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN)) {
            endpoint.attach(Pasid.NONE, domain);
            HardwarePort port = endpoint.openPort(Pasid.NONE);
            CompletableFuture<DmaStatus> request = writing(port);
            PageRequest asked = faults.requests.poll(10, TimeUnit.SECONDS);
            assertThat(asked.iova()).isEqualTo(IOVA);
            assertThat(asked.access()).isEqualTo(DmaAccess.WRITE);
            assertThat(asked.lastOfGroup()).isTrue();
            assertThat(request).isNotDone();
            long page = memory.ram(4096, 4096);
            PinnedRuns runs = new PinnedRuns(1);
            runs.add(page, 4096);
            domain.map(IOVA, runs, DmaAccess.READ_WRITE);
            endpoint.respond(new PageResponse(asked.pasid(), asked.groupIndex(), FaultResponse.SUCCESS));
            assertThat(request.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.DONE);
            assertThat(PhysicalWords.get(page)).isEqualTo(77);
            assertThat(faults.reported).isEmpty();
            endpoint.respond(new PageResponse(asked.pasid(), asked.groupIndex(), FaultResponse.SUCCESS));   // ignored
            domain.unmap(IOVA, IOVA + 4095);
            CompletableFuture<DmaStatus> refusedRequest = writing(port);
            PageRequest again = faults.requests.poll(10, TimeUnit.SECONDS);
            endpoint.respond(new PageResponse(again.pasid(), again.groupIndex(), FaultResponse.INVALID));
            assertThat(refusedRequest.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.FAULTED);
            endpoint.block(Pasid.NONE);
        }
    }

    @Test
    void ifNobodyListensTheRequestEndsAtOnce() {
        start(true);
        try (PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN)) {
            endpoint.attach(Pasid.NONE, domain);
            assertThat(write(endpoint.openPort(Pasid.NONE), 1)).isEqualTo(DmaStatus.FAULTED);
            assertThat(faults.reported).hasSize(1);
            endpoint.block(Pasid.NONE);
        }
    }

    @Test
    void theEndOfAnEndpointEndsWhatWaits() throws Exception {
        start(true);
        faults.listens = true;
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        CompletableFuture<DmaStatus> request = writing(endpoint.openPort(Pasid.NONE));
        assertThat(faults.requests.poll(10, TimeUnit.SECONDS)).isNotNull();
        endpoint.release();
        assertThat(request.get(10, TimeUnit.SECONDS)).isIn(DmaStatus.FAULTED, DmaStatus.CLOSED);
        domain.close();
    }
}
