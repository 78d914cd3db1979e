package bench;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.HardwareSwap;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.BoundDevice;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.util.Optional;

/** The engine with two VT-d units, of which one serves: a context, an address space, and devices attached to one HWPT of it. */
final class EngineRig {
    static final String SERVING = "vtd0";
    static final String STANDBY = "vtd1";

    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final IommufdContext context;
    private final Ioas ioas;
    private Optional<PagingHwpt> hwpt = Optional.empty();
    private int devices;

    EngineRig() {
        engine.add(unit(SERVING), 1);
        engine.add(unit(STANDBY), 0);
        context = engine.service().open();
        ioas = context.allocateIoas();
    }

    private VtdBackend unit(String name) {
        return new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named(name));
    }

    Ioas ioas() {
        return ioas;
    }

    HardwareSwap hardware() {
        return engine.swap();
    }

    GuestRam ram(long lengthBytes, boolean hugePages) {
        return memory.allocateGuestRam(lengthBytes, hugePages);
    }

    /** The port of one more device. */
    DmaPort plug() {
        DmaEndpoint endpoint = engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, devices++, 0)));
        BoundDevice device = context.bind(endpoint);
        if (hwpt.isEmpty()) {
            hwpt = Optional.of(context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking()));
        }
        device.attach(hwpt.get());
        return endpoint.openPort();
    }
}
