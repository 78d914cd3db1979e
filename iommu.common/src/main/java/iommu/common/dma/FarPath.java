package iommu.common.dma;

import iommufd.api.memory.FarMemory;
import java.util.Optional;

/** A unit's way to memory behind the physical window, as long as the runtime offers one. Thread-safe. */
public final class FarPath {
    private volatile Optional<FarMemory> memory = Optional.empty();

    /** From now on far addresses are reached through {@code offered}. */
    public void connect(FarMemory offered) {
        memory = Optional.of(offered);
    }

    /** From now on they are not, unless another was connected meanwhile. */
    public void disconnect(FarMemory withdrawn) {
        if (memory.filter(current -> current == withdrawn).isPresent()) {
            memory = Optional.empty();
        }
    }

    Optional<FarMemory> memory() {
        return memory;
    }
}
