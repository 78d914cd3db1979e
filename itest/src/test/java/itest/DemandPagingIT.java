package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.OnDemandMapping;
import iommufd.api.OnDemandOptions;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
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
import java.util.function.Supplier;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Devices that ask for absent pages, over the hardware of both vendors: user space or the engine brings the pages. */
@Timeout(120)
class DemandPagingIT {
    private static final long PAGE = 4096;
    private static final long IOVA = 1L << 32;
    private static final int PAGES = 64;
    private static final VtdFeatures VTD_FEATURES = VtdFeatures.scalableMode().with(VtdFeature.DEVICE_TLB, VtdFeature.PAGE_REQUESTS,
            VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG);
    private static final SmmuFeatures SMMU_FEATURES = SmmuFeatures.host(SmmuFeatures.DEFAULT.streamIdBits(), true);

    /** Who serves first. */
    enum Vendor { VTD, SMMU }

    /** One machine with both vendors' hardware. */
    private static final class World implements AutoCloseable {
        final HostPhysicalMemory memory = new HostPhysicalMemory(4L << 30);
        final VtdBackend vtd = new VtdBackend(memory.tables(), VTD_FEATURES, VtdDriverOptions.named("vtd0"));
        final Smmuv3Backend smmu = new Smmuv3Backend("smmu0", SMMU_FEATURES, DriverOptions.DEFAULT, memory.tables());
        final Engine engine = new Engine(new EngineOptions(Duration.ofSeconds(20), Duration.ofSeconds(20)));
        final GuestRam ram = memory.allocateGuestRam(PAGES * PAGE, false);
        final IommufdContext context = engine.service().open();
        final DmaEndpoint endpoint;
        final BoundDevice device;
        final Ioas ioas = context.allocateIoas();
        final String first;
        final String second;

        World(Vendor vendor) {
            IommuHardware serving = vendor == Vendor.VTD ? vtd : smmu;
            IommuHardware other = vendor == Vendor.VTD ? smmu : vtd;
            engine.add(serving, 1);
            engine.add(other, 0);
            first = serving.name();
            second = other.name();
            RequesterId id = RequesterId.of(0, 0, 3, 0);
            endpoint = engine.fabric().plug(new EndpointDescription(id, id.value(), 8, true));
            device = context.bind(endpoint);
        }

        /** Stops the test if the driver of the hardware does not pass page requests on. */
        void assumeAsked(long pagesServed, String hardware) {
            assumeTrue(pagesServed > 0, "the driver of " + hardware + " asks nobody for absent pages");
        }

        @Override
        public void close() {
            engine.close();
            ram.close();
            vtd.close();
            smmu.close();
            memory.close();
        }
    }

    private static DmaStatus write(DmaPort port, long iova, int value) {
        return port.write(iova, MemorySegment.ofArray(new int[] {value}), 0, 4);
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @ParameterizedTest
    @EnumSource(Vendor.class)
    void nothingIsPinnedUntilADeviceTouchesIt(Vendor vendor) {
        try (World world = new World(vendor)) {
            world.device.attach(world.ioas);
            OnDemandMapping mapping = world.ioas.mapOnDemand(IOVA, world.ram, 0, PAGES * PAGE, DmaAccess.READ_WRITE, OnDemandOptions.PAGES);
            assertThat(mapping.residentBytes()).isZero();
            DmaPort port = world.endpoint.openPort();
            DmaStatus status = write(port, IOVA + 3 * PAGE, 42);
            world.assumeAsked(mapping.pagesServed(), world.first);
            assertThat(status).isEqualTo(DmaStatus.DONE);
            assertThat(world.ram.segment().get(ValueLayout.JAVA_INT, 3 * PAGE)).isEqualTo(42);
            assertThat(mapping.residentBytes()).isEqualTo(PAGE);
            assertThat(write(port, IOVA + PAGES * PAGE, 1)).as("behind it").isEqualTo(DmaStatus.FAULTED);
            mapping.close();
            assertThat(write(port, IOVA + 3 * PAGE, 1)).as("after its end").isEqualTo(DmaStatus.FAULTED);
        }
    }

    @ParameterizedTest
    @EnumSource(Vendor.class)
    void userSpaceBringsThePage(Vendor vendor) throws Exception {
        try (World world = new World(vendor)) {
            FaultQueue queue = world.context.allocateFaultQueue();
            world.device.attach(world.context.allocateHwpt(world.device, world.ioas, new HwptOptions(false, false, false, Optional.of(queue))));
            DmaPort port = world.endpoint.openPort();
            var request = onItsThread(() -> write(port, IOVA + 8, 7));
            boolean asked = queue.awaitReadable(Duration.ofSeconds(3));
            world.assumeAsked(asked ? 1 : 0, world.first);
            FaultRecord fault = queue.read(8).getFirst();
            assertThat(fault.iova()).isEqualTo(IOVA);
            assertThat(fault.access()).isEqualTo(DmaAccess.WRITE);
            assertThat(fault.deviceId()).isEqualTo(world.device.id());
            world.ioas.mapAt(IOVA, world.ram, 0, PAGE, DmaAccess.READ_WRITE);
            queue.respond(fault.cookie(), FaultResponse.SUCCESS);
            assertThat(request.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.DONE);
            assertThat(world.ram.segment().get(ValueLayout.JAVA_INT, 8)).isEqualTo(7);
            var refused = onItsThread(() -> write(port, IOVA + PAGE, 7));
            assertThat(queue.awaitReadable(Duration.ofSeconds(10))).isTrue();
            queue.respond(queue.read(8).getFirst().cookie(), FaultResponse.INVALID);
            assertThat(refused.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.FAULTED);
        }
    }

    /** Devices count in words; pages are evicted, and hardware is exchanged between the vendors, while they do. */
    @ParameterizedTest
    @EnumSource(Vendor.class)
    void everyRequestIsServedOnceWhilePagesAndHardwareComeAndGo(Vendor vendor) throws Exception {
        try (World world = new World(vendor)) {
            world.device.attach(world.ioas);
            OnDemandMapping mapping = world.ioas.mapOnDemand(IOVA, world.ram, 0, PAGES * PAGE, DmaAccess.READ_WRITE,
                    new OnDemandOptions(PAGE, 16 * PAGE));
            assumeBothAsk(world, mapping);
            AtomicBoolean stop = new AtomicBoolean();
            List<CompletableFuture<long[]>> devices = new ArrayList<>();
            for (int number = 0; number < 3; number++) {
                DmaPort port = world.endpoint.openPort();
                long offset = 64 + number * 8L;
                SplittableRandom random = new SplittableRandom(number);
                devices.add(onItsThread(() -> {
                    long[] done = new long[PAGES];
                    while (!stop.get()) {
                        int page = random.nextInt(PAGES);
                        port.fetchAndAdd(IOVA + page * PAGE + offset, 1);
                        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
                        done[page]++;
                    }
                    return done;
                }));
            }
            for (int round = 0; round < 40; round++) {
                mapping.evict(IOVA + round % PAGES * PAGE, PAGE);
                world.engine.swap().swap(round % 2 == 0 ? world.first : world.second, round % 2 == 0 ? world.second : world.first);
            }
            stop.set(true);
            for (int number = 0; number < devices.size(); number++) {
                long[] done = devices.get(number).get(30, TimeUnit.SECONDS);
                for (int page = 0; page < PAGES; page++) {
                    assertThat(world.ram.segment().get(ValueLayout.JAVA_LONG, page * PAGE + 64 + number * 8L)).as("page %d", page)
                            .isEqualTo(done[page]);
                }
            }
            assertThat(mapping.residentBytes()).isLessThanOrEqualTo(16 * PAGE);
        }
    }

    private static void assumeBothAsk(World world, OnDemandMapping mapping) {
        DmaPort port = world.endpoint.openPort();
        write(port, IOVA, 0);
        world.assumeAsked(mapping.pagesServed(), world.first);
        world.engine.swap().swap(world.first, world.second);
        long before = mapping.pagesServed();
        write(port, IOVA + PAGE, 0);
        world.assumeAsked(mapping.pagesServed() - before, world.second);
        world.engine.swap().swap(world.second, world.first);
        port.close();
    }
}
