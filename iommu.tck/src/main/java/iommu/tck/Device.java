package iommu.tck;

import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;

/** A device behind the IOMMU under test. */
final class Device {
    final EndpointDescription description;
    final RecordingFaultSink faults = new RecordingFaultSink();
    final HardwareEndpoint endpoint;
    private final Machine machine;

    Device(Machine machine, EndpointDescription description) {
        this.machine = machine;
        this.description = description;
        endpoint = machine.hardware().probe(description, faults);
    }

    /** An empty page table without anything special. */
    PagingDomain newDomain() {
        return newDomain(PagingOptions.PLAIN);
    }

    /** An empty page table; the machine closes it. */
    PagingDomain newDomain(PagingOptions options) {
        return machine.own(endpoint.allocatePaging(options));
    }

    /** A new page table that requests without PASID go through. */
    PagingDomain attachNewDomain() {
        return attachNewDomain(PagingOptions.PLAIN);
    }

    /** A new page table that requests without PASID go through. */
    PagingDomain attachNewDomain(PagingOptions options) {
        PagingDomain domain = newDomain(options);
        endpoint.attach(Pasid.NONE, domain);
        return domain;
    }

    void attach(HardwareDomain domain) {
        endpoint.attach(Pasid.NONE, domain);
    }

    /** A port for requests without PASID. */
    HardwarePort port() {
        return endpoint.openPort(Pasid.NONE);
    }

    HardwarePort port(int pasid) {
        return endpoint.openPort(pasid);
    }

    void release() {
        machine.release(this);
    }
}
