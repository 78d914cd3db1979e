package iommu.tck;

import iommufd.api.hardware.IommuHardware;

/**
 * An IOMMU that is switched on.
 *
 * @param hardware the service the engine would use
 * @param powerOff stops it; the kit has given back all endpoints and domains before. Every frame must be free afterwards
 */
public record RunningBackend(IommuHardware hardware, Runnable powerOff) implements AutoCloseable {
    @Override
    public void close() {
        powerOff.run();
    }
}
