package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.StageTwoTable.Format;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.Supplier;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import vmm.runtime.guest.GuestMemory;

/** A guest's CPU and a device go through one page table, the guest memory's own, on hardware of its vendor. */
@Timeout(120)
class GuestTableIT {
    private static final long PAGE = 4096;
    private static final int PAGES = 64;
    private static final int RESIDENT = 24;

    /** Hardware, and what it walks. */
    enum Vendor {
        VTD_ASKING(Format.EPT, memory -> new VtdBackend(memory.tables(), VtdFeatures.scalableMode().with(VtdFeature.DEVICE_TLB,
                VtdFeature.PAGE_REQUESTS, VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG), VtdDriverOptions.named("vtd0"))),
        VTD_SCALABLE(Format.EPT, memory -> new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"))),
        VTD_LEGACY(Format.EPT, memory -> new VtdBackend(memory.tables(), VtdFeatures.legacy(), VtdDriverOptions.named("vtd0"))),
        SMMU_STALLING(Format.ARM_STAGE_2, memory -> new Smmuv3Backend("smmu0", SmmuFeatures.host(SmmuFeatures.DEFAULT.streamIdBits(), true),
                DriverOptions.DEFAULT, memory.tables())),
        SMMU(Format.ARM_STAGE_2, memory -> new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, memory.tables()));

        private final Format format;
        private final Function<HostPhysicalMemory, IommuHardware> make;

        Vendor(Format format, Function<HostPhysicalMemory, IommuHardware> make) {
            this.format = format;
            this.make = make;
        }

        /** Whether devices wait for absent pages. */
        boolean asks() {
            return this == VTD_ASKING || this == SMMU_STALLING;
        }

        void shutDown(IommuHardware hardware) {
            switch (hardware) {
                case VtdBackend vtd -> vtd.close();
                case Smmuv3Backend smmu -> smmu.close();
                default -> throw new AssertionError(hardware);
            }
        }
    }

    /** One machine. */
    private static final class World implements AutoCloseable {
        final HostPhysicalMemory memory = new HostPhysicalMemory(4L << 30);
        final Vendor vendor;
        final IommuHardware hardware;
        final long framesBefore;
        final Engine engine = new Engine(new EngineOptions(Duration.ofSeconds(5), Duration.ofSeconds(20)));
        final GuestMemory guest;
        final IommufdContext context = engine.service().open();
        final DmaEndpoint endpoint;
        final BoundDevice device;
        final Ioas ioas;

        World(Vendor vendor) {
            this.vendor = vendor;
            hardware = vendor.make.apply(memory);
            framesBefore = memory.tables().bytesInUse();
            guest = new GuestMemory(memory, vendor.format, PAGES * PAGE, RESIDENT * PAGE);
            engine.add(hardware);
            RequesterId id = RequesterId.of(0, 0, 3, 0);
            endpoint = engine.fabric().plug(new EndpointDescription(id, id.value(), 8, true));
            device = context.bind(endpoint);
            ioas = context.allocateIoas(guest);
            device.attach(ioas);
        }

        @Override
        public void close() {
            engine.close();
            guest.close();
            assertThat(memory.tables().bytesInUse()).as("frames in use in the end").isEqualTo(framesBefore);
            vendor.shutDown(hardware);
            memory.close();
        }
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @ParameterizedTest
    @EnumSource(Vendor.class)
    void cpuAndDeviceSeeOneMemory(Vendor vendor) {
        try (World world = new World(vendor)) {
            DmaPort port = world.endpoint.openPort();
            world.guest.store(5 * PAGE + 8, 0x1234);
            byte[] bytes = new byte[8];
            assertThat(port.read(5 * PAGE + 8, MemorySegment.ofArray(bytes), 0, 8)).isEqualTo(DmaStatus.DONE);
            assertThat(MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isEqualTo(0x1234);
            port.fetchAndAdd(5 * PAGE + 8, 1);
            assertThat(world.guest.load(5 * PAGE + 8)).isEqualTo(0x1235);
            assertThat(world.ioas.mappedBytes()).as("mapped through iommufd").isZero();
            world.guest.protect(5 * PAGE, false);
            assertThat(port.write(5 * PAGE, MemorySegment.ofArray(bytes), 0, 8)).isEqualTo(DmaStatus.FAULTED);
            assertThat(port.read(5 * PAGE, MemorySegment.ofArray(bytes), 0, 8)).isEqualTo(DmaStatus.DONE);
            assertThatThrownBy(() -> world.guest.store(5 * PAGE, 1)).isInstanceOfSatisfying(IommufdException.class,
                    refused -> assertThat(refused.errno()).isEqualTo(Errno.EPERM));
            world.guest.protect(5 * PAGE, true);
            assertThat(world.guest.move(5 * PAGE)).isTrue();
            port.fetchAndAdd(5 * PAGE + 8, 1);
            assertThat(world.guest.load(5 * PAGE + 8)).as("after the move").isEqualTo(0x1236);
            assertThat(port.write(PAGES * PAGE, MemorySegment.ofArray(bytes), 0, 8)).as("beyond the guest").isEqualTo(DmaStatus.FAULTED);
            assertThat(port.write(1L << 47, MemorySegment.ofArray(bytes), 0, 8)).as("far beyond").isEqualTo(DmaStatus.FAULTED);
            world.guest.close();
            assertThat(port.write(5 * PAGE, MemorySegment.ofArray(bytes), 0, 8)).as("after the guest's end").isEqualTo(DmaStatus.FAULTED);
        }
    }

    /**
     * What the device counted arrives, whatever becomes of the pages meanwhile. A page that is out comes back if the device can ask;
     * else it is a fault.
     */
    @ParameterizedTest
    @EnumSource(Vendor.class)
    void bothViewsAgreeWhilePagesMoveAndGoOut(Vendor vendor) throws Exception {
        try (World world = new World(vendor)) {
            DmaPort port = world.endpoint.openPort();
            AtomicBoolean stop = new AtomicBoolean();
            AtomicLong served = new AtomicLong();
            var device = onItsThread(() -> {
                long[] done = new long[PAGES];
                SplittableRandom random = new SplittableRandom(1);
                while (!stop.get()) {
                    int page = random.nextInt(PAGES);
                    port.fetchAndAdd(page * PAGE, 1);
                    if (port.status() == DmaStatus.DONE) {
                        done[page]++;
                        served.incrementAndGet();
                    } else {
                        assertThat(vendor.asks()).as("a request of a device that asks was refused: %s", port.lastFault()).isFalse();
                        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
                        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
                    }
                }
                return done;
            });
            var cpu = onItsThread(() -> {
                long[] done = new long[PAGES];
                SplittableRandom random = new SplittableRandom(2);
                while (!stop.get()) {
                    int page = random.nextInt(PAGES);
                    world.guest.fetchAndAdd(page * PAGE, 1);
                    done[page]++;
                }
                return done;
            });
            SplittableRandom random = new SplittableRandom(3);
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            for (int round = 0; (round < 2000 || served.get() < 5000) && !device.isDone() && System.nanoTime() - deadline < 0; round++) {
                if (random.nextBoolean()) {
                    world.guest.move(random.nextInt(PAGES) * PAGE);
                } else {
                    world.guest.evict(random.nextInt(PAGES) * PAGE);
                }
                LockSupport.parkNanos(50_000);   // so that CPU and device get to use pages before they go
            }
            stop.set(true);
            long[] byDevice = device.get(30, TimeUnit.SECONDS);
            long[] byCpu = cpu.get(30, TimeUnit.SECONDS);
            for (int page = 0; page < PAGES; page++) {
                assertThat(world.guest.load(page * PAGE)).as("page %d", page).isEqualTo(byDevice[page] + byCpu[page]);
            }
            assertThat(served.get()).as("requests of the device that were served").isGreaterThanOrEqualTo(5000);
            assertThat(world.guest.evictions()).isPositive();
        }
    }

    @ParameterizedTest
    @EnumSource(value = Vendor.class, names = "VTD_SCALABLE")
    void pasidsGoThroughItToo(Vendor vendor) {
        try (World world = new World(vendor)) {
            world.device.detach();
            world.ioas.setForPasids(true);
            world.device.attach(new Pasid(9), world.ioas);
            world.guest.store(PAGE, 77);
            DmaPort port = world.endpoint.openPort(new Pasid(9));
            assertThat(port.fetchAndAdd(PAGE, 1)).isEqualTo(77);
            assertThat(world.guest.load(PAGE)).isEqualTo(78);
        }
    }

    @ParameterizedTest
    @EnumSource(Vendor.class)
    void whatCannotBeIsRefused(Vendor vendor) {
        try (World world = new World(vendor)) {
            assertErrno(Errno.EOPNOTSUPP, () -> world.context.allocateHwpt(world.device, world.ioas, HwptOptions.withDirtyTracking()));
            assertErrno(Errno.EFAULT, () -> world.guest.load(PAGES * PAGE));
            assertErrno(Errno.EFAULT, () -> world.guest.load(-8));
            assertErrno(Errno.EINVAL, () -> world.guest.load(4));
            assertErrno(Errno.EINVAL, () -> new GuestMemory(world.memory, vendor.format, 100, PAGE));
            assertErrno(Errno.EINVAL, () -> new GuestMemory(world.memory, vendor.format, PAGE, 0));
            assertErrno(Errno.EINVAL, () -> new GuestMemory(world.memory, vendor.format, 1L << 50, PAGE));
            assertThat(world.guest.populate(PAGES * PAGE, DmaAccess.READ)).isFalse();
            Format other = vendor.format == Format.EPT ? Format.ARM_STAGE_2 : Format.EPT;
            try (GuestMemory foreign = new GuestMemory(world.memory, other, PAGE, PAGE)) {
                Ioas ioas = world.context.allocateIoas(foreign);
                assertErrno(Errno.EOPNOTSUPP, () -> world.device.replace(ioas));
                ioas.destroy();
            }
            world.guest.store(0, 1);
            assertThat(world.endpoint.openPort().fetchAndAdd(0, 1)).as("the device's own table still serves").isEqualTo(1);
        }
    }

    private static void assertErrno(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(IommufdException.class, refused -> assertThat(refused.errno()).isEqualTo(errno));
    }
}
