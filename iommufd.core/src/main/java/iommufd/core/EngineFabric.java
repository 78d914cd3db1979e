package iommufd.core;

import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.EndpointDescription;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The service devices plug into. */
@Component
public final class EngineFabric implements DmaFabric {
    private final DmaFabric fabric;

    /** By SCR. */
    @Activate
    public EngineFabric(@Reference EngineComponent engine) {
        fabric = engine.engine().fabric();
    }

    @Override
    public DmaEndpoint plug(EndpointDescription description) {
        return fabric.plug(description);
    }
}
