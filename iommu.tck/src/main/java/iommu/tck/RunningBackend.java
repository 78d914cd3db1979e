package iommu.tck;

import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.FarMemory;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * An IOMMU that is switched on.
 *
 * @param hardware the service the engine would use
 * @param farMemory takes the service by which requests reach memory behind the physical window, as soon as there is one; empty if the
 *        IOMMU reaches no such memory
 * @param powerOff stops it; the kit has given back all endpoints and domains before. Every frame must be free afterwards
 */
public record RunningBackend(IommuHardware hardware, Optional<Consumer<FarMemory>> farMemory, Runnable powerOff) implements AutoCloseable {
    /** One that reaches the physical window only. */
    public RunningBackend(IommuHardware hardware, Runnable powerOff) {
        this(hardware, Optional.empty(), powerOff);
    }

    /** The same, reaching far memory too. */
    public RunningBackend withFarMemory(Consumer<FarMemory> connect) {
        return new RunningBackend(hardware, Optional.of(connect), powerOff);
    }

    @Override
    public void close() {
        powerOff.run();
    }
}
