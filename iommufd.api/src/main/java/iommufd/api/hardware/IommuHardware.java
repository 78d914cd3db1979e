package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import org.osgi.annotation.versioning.ConsumerType;

/** One IOMMU in front of devices: an OSGi service. Thread-safe. */
@ConsumerType
public interface IommuHardware {
    /** Service property: the vendor's format family, such as {@code vtd} or {@code smmuv3}; nested HWPTs survive only within one. */
    String VENDOR = "iommu.vendor";
    /** Service property: a name unique in the runtime, for people and for choosing. */
    String NAME = "iommu.name";

    /** Value of {@link #NAME}. */
    String name();

    /** Value of {@link #VENDOR}. */
    String vendor();

    /**
     * Takes an endpoint in; all its DMA is blocked at first.
     *
     * @param faults where its faults go; called from any thread, never inside a DMA request's epoch
     * @throws IommufdException {@link Errno#ENODEV} if the endpoint is not behind this IOMMU; {@link Errno#EBUSY} if it has
     *         it already; {@link Errno#ENOMEM}
     */
    HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults);
}
