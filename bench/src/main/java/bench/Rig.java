package bench;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.GuestRam;
import iommufd.core.memory.HostPhysicalMemory;

/** A VT-d unit with its driver and no engine above: one page table, and devices that are attached to it. */
final class Rig {
    private static final PagingOptions OPTIONS = new PagingOptions(false, true, false);

    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private final VtdBackend hardware =
            new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
    private final HardwareEndpoint first = probe(0);
    private final PagingDomain domain = first.allocatePaging(OPTIONS);
    private int devices;

    PagingDomain domain() {
        return domain;
    }

    GuestRam ram(long lengthBytes, boolean hugePages) {
        return memory.allocateGuestRam(lengthBytes, hugePages);
    }

    /** The port of one more device. */
    HardwarePort openPort() {
        HardwareEndpoint endpoint = devices == 0 ? first : probe(devices);
        devices++;
        endpoint.attach(Pasid.NONE, domain);
        return endpoint.openPort(Pasid.NONE);
    }

    private HardwareEndpoint probe(int device) {
        return hardware.probe(EndpointDescription.of(RequesterId.of(0, 0, device, 0)), new NoFaults());
    }

    /** No DMA of a benchmark may fault. */
    private static final class NoFaults implements FaultSink {
        @Override
        public void unrecoverable(DmaFault fault) {
            throw new AssertionError(fault.toString());
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            return false;
        }
    }
}
