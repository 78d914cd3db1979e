package iommu.mock;

import iommu.mock.hardware.MockBackend;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.PhysicalMemory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The mock IOMMU as a component. It is asked first, and takes mock devices only. */
@Component(service = {IommuHardware.class, MockIommu.class}, property = {IommuHardware.VENDOR + "=" + MockBackend.NAME,
        IommuHardware.NAME + "=" + MockBackend.NAME, "service.ranking:Integer=1000"})
public final class MockIommu implements IommuHardware {
    private final MockBackend backend;

    /** By SCR. */
    @Activate
    public MockIommu(@Reference PhysicalMemory memory) {
        backend = new MockBackend(memory.tables());
    }

    /** What this component publishes. */
    public MockBackend backend() {
        return backend;
    }

    @Override
    public String name() {
        return backend.name();
    }

    @Override
    public String vendor() {
        return backend.vendor();
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults) {
        return backend.probe(endpoint, faults);
    }
}
