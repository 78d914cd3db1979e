package iommufd.core;

import iommufd.api.ContextOwner;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdService;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The service VMMs call. */
@Component
public final class IommufdEngine implements IommufdService {
    private final IommufdService service;

    /** By SCR. */
    @Activate
    public IommufdEngine(@Reference EngineComponent engine) {
        service = engine.engine().service();
    }

    @Override
    public IommufdContext open(ContextOwner owner) {
        return service.open(owner);
    }
}
