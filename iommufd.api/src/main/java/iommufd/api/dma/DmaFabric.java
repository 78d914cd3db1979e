package iommufd.api.dma;

import iommufd.api.IommufdException;
import iommufd.api.Errno;
import org.osgi.annotation.versioning.ProviderType;

/** The interconnect devices are plugged into: an OSGi service. */
@ProviderType
public interface DmaFabric {
    /**
     * Plugs a device in. Its DMA is blocked until a context binds and attaches the endpoint.
     *
     * @throws IommufdException {@link Errno#EBUSY} if the requester id is in use
     */
    DmaEndpoint plug(EndpointDescription description);
}
