package iommufd.api.dma;

import org.osgi.annotation.versioning.ConsumerType;

/** Whiteboard service that is told of every failed DMA request. Called on the device's thread: return quickly. */
@ConsumerType
@FunctionalInterface
public interface DmaFaultListener {
    /** A request failed. Must not throw. */
    void faulted(DmaFault fault);
}
