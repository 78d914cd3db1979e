package vfio.adapter.device;

import iommufd.api.Access;
import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.device.RunningDevice;

/** A device with an endpoint of its own. */
final class EndpointBinding implements Binding {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointBinding.class);

    private final IommufdContext context;
    private final DmaEndpoint endpoint;
    private final BoundDevice bound;
    private final Set<Pasid> pasids = new HashSet<>();
    private boolean attached;

    EndpointBinding(IommufdContext context, DmaEndpoint endpoint) {
        this.context = context;
        this.endpoint = endpoint;
        this.bound = context.bind(endpoint);
    }

    @Override
    public IommufdContext context() {
        return context;
    }

    @Override
    public int id() {
        return bound.id();
    }

    private Attachable target(int id) {
        IommufdObject object = context.object(id);
        if (object instanceof Attachable target) {
            return target;
        }
        throw new IommufdException(Errno.EINVAL, "object %d is neither an address space nor a page table: %s".formatted(id, object));
    }

    @Override
    public int attach(int targetId) {
        Attachable target = target(targetId);
        int id = (attached ? bound.replace(target) : bound.attach(target)).id();
        attached = true;
        return id;
    }

    @Override
    public void detach() {
        if (attached) {
            bound.detach();
            attached = false;
        }
    }

    @Override
    public boolean takesPasids() {
        return true;
    }

    @Override
    public int attach(Pasid pasid, int targetId) {
        Attachable target = target(targetId);
        int id = (pasids.contains(pasid) ? bound.replace(pasid, target) : bound.attach(pasid, target)).id();
        pasids.add(pasid);
        return id;
    }

    @Override
    public void detach(Pasid pasid) {
        if (pasids.remove(pasid)) {
            bound.detach(pasid);
        }
    }

    @Override
    public DmaEndpoint.PageRequestPause pausePageRequests() {
        return endpoint.pausePageRequests();
    }

    @Override
    public DmaPort openPort() {
        return endpoint.openPort();
    }

    @Override
    public DmaPort openPort(Pasid pasid) {
        return endpoint.openPort(pasid);
    }

    @Override
    public Optional<BoundDevice> bound() {
        return Optional.of(bound);
    }

    @Override
    public Optional<Access> access() {
        return Optional.empty();
    }

    @Override
    public void running(Optional<RunningDevice> device) { }

    @Override
    public void unbind() {
        try {
            Set.copyOf(pasids).forEach(this::detach);
            detach();
            bound.destroy();
        } catch (IommufdException gone) {
            LOG.debug("{} was unbound with its context: {}", endpoint.description().requesterId(), gone.getMessage());
        }
    }
}
