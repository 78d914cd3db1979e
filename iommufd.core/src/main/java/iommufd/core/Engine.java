package iommufd.core;

import iommufd.api.ContextOwner;
import iommufd.api.HardwareSwap;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaFaultListener;
import iommufd.api.hardware.IommuHardware;
import iommufd.core.fabric.HardwareRack;
import iommufd.core.object.Context;
import iommufd.core.space.PinLimits;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** iommufd in one object: contexts above, a fabric for devices below, hardware that may change between. Thread-safe. */
public final class Engine implements AutoCloseable {
    private final HardwareRack rack;
    private final PinLimits limits = new PinLimits();
    private final Set<Context> contexts = ConcurrentHashMap.newKeySet();

    /** An engine without hardware. */
    public Engine(EngineOptions options) {
        rack = new HardwareRack(options.patience());
        rack.setDirtyPages(options.dirtyPages());
    }

    /** Changes the options, from now on. */
    public void configure(EngineOptions options) {
        rack.setPatience(options.patience());
        rack.setDirtyPages(options.dirtyPages());
    }

    /** Deploys hardware; endpoints that wait for some move there. */
    public void add(IommuHardware hardware) {
        add(hardware, 0);
    }

    /** As {@link #add(IommuHardware)}. @param ranking higher is preferred for new endpoints */
    public void add(IommuHardware hardware, int ranking) {
        rack.add(hardware, ranking);
    }

    /** The hardware's ranking changed. */
    public void rank(IommuHardware hardware, int ranking) {
        rack.rank(hardware, ranking);
    }

    /** Withdraws hardware that still works; nothing of it is held on return. */
    public void remove(IommuHardware hardware) {
        rack.remove(hardware);
    }

    /** Tells {@code listener} of failed DMA. */
    public void add(DmaFaultListener listener) {
        rack.faultListeners().add(listener);
    }

    /** Undoes {@link #add(DmaFaultListener)}. */
    public void remove(DmaFaultListener listener) {
        rack.faultListeners().remove(listener);
    }

    /** The entrance for VMMs. */
    public IommufdService service() {
        return this::open;
    }

    /** A context, with what the engine's own node needs of it. */
    public Context open(ContextOwner owner) {
        Context context = new Context(rack, limits, owner, contexts::remove);
        contexts.add(context);
        return context;
    }

    /** Where devices are plugged in. */
    public DmaFabric fabric() {
        return rack.fabric();
    }

    /** Planned exchange of hardware. */
    public HardwareSwap swap() {
        return rack;
    }

    /** Closes every context and lets all hardware go. */
    @Override
    public void close() {
        List.copyOf(contexts).forEach(IommufdContext::close);
        rack.close();
    }
}
