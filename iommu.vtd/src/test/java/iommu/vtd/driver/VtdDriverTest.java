package iommu.vtd.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.common.table.TablePool;
import iommu.vtd.Ram;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.unit.VtdFeatures;
import iommu.vtd.unit.VtdUnit;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
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
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The driver by its SPI, with an eye on the descriptors it posts, the frames it holds and the faults it reports. */
class VtdDriverTest {
    private static final long IOVA = 0x4000_0000L;
    private static final PagingOptions DIRTY = new PagingOptions(false, true, false);

    private final ScratchTables memory = new ScratchTables();
    private final Ram ram = new Ram();
    private final List<DmaFault> faults = new ArrayList<>();
    /** First and second words of the descriptors posted, newest last. */
    private final List<long[]> posted = new ArrayList<>();
    private VtdDriver driver;

    private final FaultSink sink = new FaultSink() {
        @Override
        public void unrecoverable(DmaFault fault) {
            faults.add(fault);
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            return false;
        }
    };

    private VtdDriver start(VtdFeatures features, int levels) {
        TablePool pool = new TablePool(memory);
        AtomicReference<VtdDriver> started = new AtomicReference<>();
        VtdUnit unit = new VtdUnit("vtd9", features, pool::markDirty, (address, data) -> started.get().message(address, data));
        driver = new VtdDriver(new Wire(unit), pool, unit::openPort, new VtdDriverOptions("vtd9", 0, levels));
        started.set(driver);
        return driver;
    }

    /** Reads descriptors out of memory when their doorbell rings. */
    private final class Wire implements RegisterAccess {
        private final VtdUnit unit;

        Wire(VtdUnit unit) {
            this.unit = unit;
        }

        @Override
        public long read(int offset, int bytes) {
            return unit.read(offset, bytes);
        }

        @Override
        public void write(int offset, int bytes, long value) {
            if (offset == 0x88) {
                long address = unit.read(0x90, 8);
                int step = (address & 1 << 11) != 0 ? 32 : 16;
                for (long at = unit.read(0x80, 8); at != value; at = at + step & 4095) {
                    posted.add(new long[] {Ram.word((address & -4096) + at), Ram.word((address & -4096) + at + 8)});
                }
            }
            unit.write(offset, bytes, value);
        }
    }

    private HardwareEndpoint probe() {
        return driver.probe(EndpointDescription.of(RequesterId.of(0, 3, 4, 1)).withPasidBits(20), sink);
    }

    private static PinnedRuns run(long physicalAddress, long bytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(physicalAddress, bytes);
        return runs;
    }

    private long page(int content) {
        long page = ram.frame();
        Ram.bytes(page, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) content);
        return page;
    }

    private static int peek(HardwarePort port, long iova) {
        byte[] target = {0};
        return port.read(iova, MemorySegment.ofArray(target), 0, 1) == DmaStatus.DONE ? target[0] : -1;
    }

    @AfterEach
    void everyFrameComesBack() {
        if (driver != null) {
            driver.close();
            assertThat(memory.bytesInUse()).as("after the driver was closed").isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"false,3", "false,4", "false,5", "true,3", "true,4", "true,5"})
    void mapsInEveryModeAndDepth(boolean scalable, int levels) {
        start(scalable ? VtdFeatures.scalableMode() : VtdFeatures.legacy(), levels);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        long last = domain.geometry().aperture().last();
        int bits = scalable ? Math.max(levels, 4) * 9 + 11 : levels * 9 + 12;
        assertThat(last).isEqualTo((1L << bits) - 1);
        endpoint.attach(Pasid.NONE, domain);
        domain.map(last - 4095, run(page(7), 4096), DmaAccess.READ);
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        assertThat(peek(port, last - 4095)).isEqualTo(7);
        assertThat(peek(port, 0)).isEqualTo(-1);
        assertThat(domain.unmap(last - 4095, last)).isEqualTo(4096);
        assertThat(peek(port, last - 4095)).isEqualTo(-1);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void refusesMoreLevelsThanTheUnitHas() {
        VtdFeatures fourLevels = VtdFeatures.scalableMode().withAddressBits(48);
        assertThatThrownBy(() -> start(fourLevels, 5)).isInstanceOfSatisfying(IommufdException.class,
                refused -> assertThat(refused.errno()).isEqualTo(Errno.EINVAL));
        assertThat(memory.bytesInUse()).isZero();
    }

    @Test
    void tellsUserSpaceTheCapabilityRegisters() {
        start(VtdFeatures.scalableMode(), 4);
        HardwareInfo info = probe().info();
        assertThat(info.type()).isEqualTo(1);
        ByteBuffer bytes = ByteBuffer.wrap(info.bytes()).order(ByteOrder.nativeOrder());
        assertThat(bytes.remaining()).isEqualTo(24);
        assertThat(bytes.getLong(0)).as("flags and reserved").isZero();
        assertThat(bytes.getLong(8) & 7).as("cap_reg: ND").isEqualTo(6);
        assertThat(bytes.getLong(16) >>> 43 & 1).as("ecap_reg: SMTS").isEqualTo(1);
        assertThat(info.capabilities()).containsExactlyInAnyOrder(HardwareInfo.Capability.DIRTY_TRACKING,
                HardwareInfo.Capability.ATS_NOT_SUPPORTED);
        assertThat(info.pasidBits()).isEqualTo(20);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void faultsReachTheSinkAndFreeTheirRecords(boolean scalable) {
        start(scalable ? VtdFeatures.scalableMode() : VtdFeatures.legacy(), 4);
        HardwareEndpoint endpoint = probe();
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        for (int i = 0; i < 50; i++) {
            assertThat(peek(port, IOVA + i * 4096L + 5)).isEqualTo(-1);
        }
        assertThat(faults).hasSize(50);
        DmaFault fault = faults.get(49);
        assertThat(fault.code()).isEqualTo(scalable ? 0x59 : 0x02);
        assertThat(fault.kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(fault.iova()).isEqualTo(IOVA + 49 * 4096L);
        assertThat(fault.requesterId()).isEqualTo(RequesterId.of(0, 3, 4, 1));
        assertThat(fault.hardware()).isEqualTo("vtd9");
        assertThat(fault.pasid()).isEmpty();
    }

    @Test
    void pitfall3InvalidationsAreSplitIntoAlignedPowersOfTwo() {
        start(VtdFeatures.legacy(), 4);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        domain.map(0, run(Ram.BASE, 64 * 4096), DmaAccess.READ_WRITE);
        posted.clear();
        domain.unmap(3 * 4096, 12 * 4096 - 1);
        // Pages 3 to 11 are 3, 4..7, 8..11.
        assertThat(posted).extracting(words -> words[0] & 0xF).containsExactly(2L, 2L, 2L, 5L);
        assertThat(posted).extracting(words -> words[1]).startsWith(0x3000L | 1 << 6, 0x4000L | 1 << 6 | 2, 0x8000L | 1 << 6 | 2);
        assertThat(posted.get(0)[0] & 0x30).as("page-selective").isEqualTo(0x30);
        domain.map(1L << 30, run(Ram.BASE, 4096), DmaAccess.READ_WRITE);
        posted.clear();
        domain.unmap(0, domain.geometry().aperture().last());
        assertThat(posted.get(0)[0] & 0x30).as("domain-selective for what is too wide").isEqualTo(0x20);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void unlinkedTablesAreInvalidatedWithTheirPointers() {
        start(VtdFeatures.legacy(), 4);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        domain.mapSmallest(IOVA, run(Ram.BASE, 2 << 20), DmaAccess.READ_WRITE);
        posted.clear();
        domain.unmap(IOVA, IOVA + (2 << 20) - 1);
        assertThat(posted.get(0)[1]).as("AM 9, IH 0").isEqualTo(IOVA | 9);
        posted.clear();
        domain.map(IOVA, run(Ram.BASE, 4096), DmaAccess.READ_WRITE);
        assertThat(posted).as("CM is 0: a new mapping needs no invalidation").isEmpty();
        domain.unmap(IOVA, IOVA + 4095);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void firstStageIsInvalidatedForEveryPasidThatUsesIt() {
        start(VtdFeatures.scalableMode(), 4);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        endpoint.attach(77, domain);
        domain.map(IOVA, run(page(1), 4096), DmaAccess.READ);
        HardwarePort port = endpoint.openPort(77);
        assertThat(peek(port, IOVA)).isEqualTo(1);
        posted.clear();
        domain.unmap(IOVA, IOVA + 4095);
        assertThat(posted).extracting(words -> words[0] & 0xF).containsExactly(6L, 6L, 5L);
        assertThat(posted).extracting(words -> words[0] >>> 32 & 0xFFFFF).startsWith(0L, 77L);
        assertThat(peek(port, IOVA)).isEqualTo(-1);
        endpoint.block(77);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void dmaNeverSeesAGapWhileItsTableIsReplaced() throws InterruptedException {
        start(VtdFeatures.scalableMode(), 4);
        HardwareEndpoint endpoint = probe();
        List<PagingDomain> domains = new ArrayList<>();
        for (PagingOptions options : List.of(PagingOptions.PLAIN, DIRTY, PagingOptions.PLAIN, DIRTY)) {
            PagingDomain domain = endpoint.allocatePaging(options);
            domain.map(IOVA, run(page(domains.size() + 1), 4096), DmaAccess.READ_WRITE);
            domains.add(domain);
        }
        endpoint.attach(Pasid.NONE, domains.getFirst());
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        AtomicBoolean stop = new AtomicBoolean();
        List<Integer> wrong = new ArrayList<>();
        Thread device = Thread.ofPlatform().start(() -> {
            while (!stop.get()) {
                int value = peek(port, IOVA);
                if (value < 1 || value > 4) {
                    wrong.add(value);
                }
            }
        });
        for (int i = 0; i < 4000; i++) {
            endpoint.attach(Pasid.NONE, domains.get(i * 7 % 4));
        }
        stop.set(true);
        device.join();
        assertThat(wrong).isEmpty();
        assertThat(faults).isEmpty();
        endpoint.attach(Pasid.NONE, domains.get(2));
        assertThat(peek(port, IOVA)).isEqualTo(3);
        endpoint.block(Pasid.NONE);
        domains.forEach(PagingDomain::close);
    }

    @Test
    void attachThatRunsOutOfFramesLeavesEverythingAsItWas() {
        start(VtdFeatures.scalableMode(), 4);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        domain.map(IOVA, run(page(1), 4096), DmaAccess.READ);
        endpoint.attach(Pasid.NONE, domain);
        long before = memory.bytesInUse();
        memory.failAfter(0);
        assertThatThrownBy(() -> endpoint.attach(900_000, domain)).isInstanceOfSatisfying(IommufdException.class,
                refused -> assertThat(refused.errno()).isEqualTo(Errno.ENOMEM));
        memory.failAfter(-1);
        assertThat(memory.bytesInUse()).isEqualTo(before);
        assertThat(peek(endpoint.openPort(Pasid.NONE), IOVA)).isEqualTo(1);
        assertThat(peek(endpoint.openPort(900_000), IOVA)).isEqualTo(-1);
        endpoint.attach(900_000, domain);
        assertThat(peek(endpoint.openPort(900_000), IOVA)).isEqualTo(1);
        endpoint.block(900_000);
        assertThat(memory.bytesInUse()).as("the PASID table went with its last entry").isEqualTo(before);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void probeThatRunsOutOfFramesLeavesNothingBehind(int frames) {
        start(VtdFeatures.scalableMode(), 4);
        long before = memory.bytesInUse();
        memory.failAfter(frames);
        assertThatThrownBy(this::probe).isInstanceOf(IommufdException.class);
        memory.failAfter(-1);
        assertThat(memory.bytesInUse()).isEqualTo(before);
        probe().release();
        assertThat(memory.bytesInUse()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void startThatRunsOutOfFramesLeavesNothingBehind(int frames) {
        memory.failAfter(frames);
        assertThatThrownBy(() -> start(VtdFeatures.scalableMode(), 4)).isInstanceOf(IommufdException.class);
        assertThat(memory.bytesInUse()).isZero();
    }

    @Test
    void pasidZeroStandsForRequestsWithoutPasid() {
        start(VtdFeatures.scalableMode(), 4);
        HardwareEndpoint endpoint = probe();
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        assertThatThrownBy(() -> endpoint.attach(0, domain)).isInstanceOfSatisfying(IommufdException.class,
                refused -> assertThat(refused.errno()).isEqualTo(Errno.EINVAL));
        domain.close();
    }

    @Test
    void closedUnitAbortsDma() {
        start(VtdFeatures.scalableMode(), 4);
        HardwareEndpoint endpoint = probe();
        HardwarePort port = endpoint.openPort(Pasid.NONE);
        driver.close();
        assertThat(port.write(ram.frame(), MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.CLOSED);
        assertThat(memory.bytesInUse()).isZero();
        driver = null;
    }
}
