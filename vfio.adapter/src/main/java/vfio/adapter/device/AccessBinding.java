package vfio.adapter.device;

import iommufd.api.Access;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.adapter.dma.AccessPort;
import vfio.device.PciFunction;
import vfio.device.RunningDevice;

/** A device without an endpoint: an access by software. As in Linux it may always pin, which keeps mappings aligned to pages. */
final class AccessBinding implements Binding {
    private static final Logger LOG = LoggerFactory.getLogger(AccessBinding.class);

    private final IommufdContext context;
    private final PciFunction function;
    private final Access access;
    private boolean attached;
    private volatile Optional<RunningDevice> running = Optional.empty();

    AccessBinding(IommufdContext context, PciFunction function) {
        this.context = context;
        this.function = function;
        this.access = context.createAccess(this::unmapping);
    }

    private void unmapping(long iova, long lengthBytes) {
        if (function.pinsMemory()) {
            running.ifPresent(device -> device.unmapping(iova, lengthBytes));
        }
    }

    @Override
    public IommufdContext context() {
        return context;
    }

    @Override
    public int id() {
        return access.id();
    }

    @Override
    public int attach(int targetId) {
        if (!(context.object(targetId) instanceof Ioas ioas)) {
            throw new IommufdException(Errno.ENOENT, "object %d is no address space, and a device without endpoint has no page table".formatted(targetId));
        }
        if (attached) {
            access.replace(ioas);
        } else {
            access.attach(ioas);
        }
        attached = true;
        return targetId;
    }

    @Override
    public void detach() {
        if (attached) {
            access.detach();
            attached = false;
        }
    }

    @Override
    public boolean takesPasids() {
        return false;
    }

    @Override
    public int attach(Pasid pasid, int targetId) {
        throw noPasids();
    }

    @Override
    public void detach(Pasid pasid) {
        throw noPasids();
    }

    @Override
    public DmaPort openPort() {
        return new AccessPort(access, function.address());
    }

    @Override
    public DmaPort openPort(Pasid pasid) {
        throw new IommufdException(Errno.EINVAL, "a device without endpoint sends no PASIDs");
    }

    private static IommufdException noPasids() {
        return new IommufdException(Errno.EOPNOTSUPP, "a device without endpoint has no PASIDs");
    }

    @Override
    public Optional<BoundDevice> bound() {
        return Optional.empty();
    }

    @Override
    public Optional<Access> access() {
        return Optional.of(access);
    }

    @Override
    public void running(Optional<RunningDevice> device) {
        running = device;
    }

    @Override
    public void unbind() {
        try {
            detach();
            access.destroy();
        } catch (IommufdException gone) {
            LOG.debug("the access of {} ended with its context: {}", function.address(), gone.getMessage());
        }
    }
}
