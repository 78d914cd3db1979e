package iommufd.core;

import iommufd.api.HardwareSwap;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The service operators exchange hardware with. */
@Component
public final class EngineSwap implements HardwareSwap {
    private final HardwareSwap swap;

    /** By SCR. */
    @Activate
    public EngineSwap(@Reference EngineComponent engine) {
        swap = engine.engine().swap();
    }

    @Override
    public SwapReport swap(String fromName, String toName) {
        return swap.swap(fromName, toName);
    }

    @Override
    public List<HardwareState> hardware() {
        return swap.hardware();
    }
}
