package itest;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdService;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.osgi.framework.BundleContext;

/**
 * Two devices that do DMA without pause, each in its half of a guest's memory, and check every byte: from the processor's
 * side right after the write, by reading back over DMA, and once more all of it at the end.
 */
final class DmaTraffic implements AutoCloseable {
    /** Where the guest memory starts for the devices. */
    static final long IOVA = 1L << 32;
    /** Size of the guest memory. */
    static final int RAM_BYTES = 16 << 20;
    /** What dirty tracking tells apart here. */
    static final int PAGE_BYTES = 4096;
    private static final int DEVICES = 2;

    private final IommufdContext context;
    private final GuestRam ram;
    private final PagingHwpt hwpt;
    private final List<DmaEndpoint> endpoints = new ArrayList<>();
    private final List<BoundDevice> bound = new ArrayList<>();
    private final List<TrafficDevice> devices = new ArrayList<>();

    private DmaTraffic(BundleContext bundles, HwptOptions options) {
        context = Bundles.service(bundles, IommufdService.class).open();
        ram = Bundles.service(bundles, PhysicalMemory.class).allocateGuestRam(RAM_BYTES, false);
        try {
            hwpt = attachDevices(Bundles.service(bundles, DmaFabric.class), options);
        } catch (RuntimeException | Error refused) {
            close();   // the next test finds the fabric empty
            throw refused;
        }
    }

    private PagingHwpt attachDevices(DmaFabric fabric, HwptOptions options) {
        Ioas ioas = context.allocateIoas();
        ioas.setHugePages(false);   // a dirty bit per page
        ioas.mapAt(IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        for (int i = 0; i < DEVICES; i++) {
            endpoints.add(fabric.plug(EndpointDescription.of(RequesterId.of(0, 1, i, 0))));
            bound.add(context.bind(endpoints.get(i)));
        }
        PagingHwpt table = context.allocateHwpt(bound.getFirst(), ioas, options);
        if (options.dirtyTracking()) {
            table.setDirtyTracking(true);
        }
        long share = RAM_BYTES / DEVICES;
        for (int i = 0; i < DEVICES; i++) {
            bound.get(i).attach(table);
            devices.add(new TrafficDevice(i, endpoints.get(i).openPort(), ram.segment(), IOVA, i * share, share));
        }
        return table;
    }

    /** Plugs the devices in and sets them to work. */
    static DmaTraffic start(BundleContext bundles) {
        return start(bundles, HwptOptions.withDirtyTracking());
    }

    /** The same through a page table that records nothing, which every IOMMU can have. */
    static DmaTraffic startUntracked(BundleContext bundles) {
        return start(bundles, HwptOptions.none());
    }

    private static DmaTraffic start(BundleContext bundles, HwptOptions options) {
        DmaTraffic traffic = new DmaTraffic(bundles, options);
        traffic.devices.forEach(TrafficDevice::start);
        return traffic;
    }

    /** Waits until every device has moved and checked that many bytes more. */
    void awaitBytes(long bytes) {
        for (TrafficDevice device : devices) {
            long target = device.checkedBytes() + bytes;
            Await.until(() -> "%s to move %d bytes more; %s".formatted(device, bytes, this), () -> device.checkedBytes() >= target || device.died().isPresent());
            device.died().ifPresent(thrown -> {
                throw new AssertionError(device + " broke", thrown);
            });
        }
    }

    /** Waits until every device is inside a request that has not been answered for that long. */
    void awaitStalled(Duration duration) {
        for (TrafficDevice device : devices) {
            Await.until(() -> device + " to wait inside a request", () -> device.requestNanos() >= duration.toNanos());
        }
    }

    /** Holds every device back between two requests. */
    void pause() {
        devices.forEach(TrafficDevice::pause);
    }

    /** Ends {@link #pause()}. */
    void resume() {
        devices.forEach(TrafficDevice::resume);
    }

    /** Ends the traffic and compares all memory written with what it should be; the counters then include that. */
    void finish() {
        devices.forEach(TrafficDevice::stop);
        devices.forEach(TrafficDevice::compareMemory);
    }

    /** Pages the devices wrote since the last call. Only while paused. */
    BitSet takeWrittenPages() {
        BitSet written = new BitSet();
        devices.forEach(device -> device.takeWrittenPages(written));
        return written;
    }

    /** Pages reported dirty since the last call, by the page table. */
    BitSet takeDirtyPages() {
        MemorySegment bitmap = Arena.ofAuto().allocate(RAM_BYTES / PAGE_BYTES / Byte.SIZE, Long.BYTES);
        hwpt.readDirty(IOVA, RAM_BYTES, PAGE_BYTES, bitmap, true);
        return BitSet.valueOf(bitmap.toArray(ValueLayout.JAVA_BYTE));
    }

    /** Bytes that were not what they should be. */
    long corruptedBytes() {
        return devices.stream().mapToLong(TrafficDevice::corruptedBytes).sum();
    }

    /** Requests that did not end well. */
    long failedRequests() {
        return devices.stream().mapToLong(TrafficDevice::failedRequests).sum();
    }

    /** How the first request failed that did. */
    Optional<DmaFault> firstFailure() {
        return devices.stream().flatMap(device -> device.firstFailure().stream()).findFirst();
    }

    /** Ends the traffic and fails unless every byte was right and every request answered. */
    void assertNothingLost() {
        finish();
        if (corruptedBytes() != 0 || failedRequests() != 0) {
            throw new AssertionError("DMA suffered: " + this);
        }
    }

    /** One more port of the first device, for a test's own requests. */
    DmaPort openPort() {
        return endpoints.getFirst().openPort();
    }

    /** The devices' context, to map more. */
    IommufdContext context() {
        return context;
    }

    /** The address space the devices see. */
    Ioas ioas() {
        return hwpt.ioas();
    }

    /** Takes everything down. Also after the engine is gone. */
    @Override
    public void close() {
        devices.forEach(TrafficDevice::requestStop);
        context.close();
        endpoints.forEach(DmaEndpoint::close);   // ends whatever still waits
        devices.forEach(TrafficDevice::stop);
        ram.close();
    }

    @Override
    public String toString() {
        return "%s, first failure: %s".formatted(devices, firstFailure().map(DmaFault::toString).orElse("none"));
    }
}
