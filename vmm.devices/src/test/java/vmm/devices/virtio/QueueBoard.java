package vmm.devices.virtio;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.TableMemory;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;

/** RAM of a driver, and ports of a device that reaches it through real hardware under the real engine. */
public final class QueueBoard implements AutoCloseable {
    /** Where RAM starts for the device. */
    public static final long RAM_IOVA = 0x4000_0000L;
    public static final long RAM_BYTES = 16L << 20;
    /** Nothing is here. */
    public static final long UNMAPPED = 0x9000_0000L;

    /** Physical address space is not given back: one for all tests. */
    private static final HostPhysicalMemory MEMORY = new HostPhysicalMemory();

    public final Engine engine = new Engine(EngineOptions.DEFAULT);
    public final GuestRam ram = MEMORY.allocateGuestRam(RAM_BYTES, false);
    public final Ioas ioas;
    public final DmaEndpoint endpoint;
    public final DmaPort port;
    private final VtdBackend vtd = new VtdBackend(MEMORY.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
    private final IommufdContext context;
    private long allocated = 4096;

    public QueueBoard() {
        engine.add(vtd, 1);
        context = engine.service().open();
        ioas = context.allocateIoas();
        endpoint = engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, 0, 0)));
        BoundDevice device = context.bind(endpoint);
        device.attach(ioas);
        ioas.mapAt(RAM_IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        port = endpoint.openPort();
    }

    /** Memory for the driver, as the device sees it; page-aligned. */
    public long allocate(long bytes) {
        long iova = RAM_IOVA + allocated;
        allocated += bytes + 4095 & -4096;
        return iova;
    }

    /** For the tables of more hardware. */
    TableMemory tables() {
        return MEMORY.tables();
    }

    /** The driver's view. */
    public MemorySegment at(long iova, long bytes) {
        return ram.segment().asSlice(iova - RAM_IOVA, bytes);
    }

    @Override
    public void close() {
        port.close();
        context.close();
        endpoint.close();
        ram.close();
        engine.close();
        vtd.close();
    }
}
