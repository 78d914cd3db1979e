package iommufd.api.hardware;

import iommufd.api.dma.DmaFault;
import org.osgi.annotation.versioning.ProviderType;

/** Where an IOMMU reports what went wrong with an endpoint's DMA. Thread-safe; never throws, never blocks for long. */
@ProviderType
public interface FaultSink {
    /** A request was refused for good. */
    void unrecoverable(DmaFault fault);

    /**
     * A request waits for user space; a group may be answered once its last request has come.
     *
     * @return whether someone will answer; if not, the backend ends the request itself
     */
    boolean pageRequest(PageRequest request);
}
