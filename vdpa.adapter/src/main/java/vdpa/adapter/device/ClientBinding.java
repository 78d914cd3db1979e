package vdpa.adapter.device;

import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.Pasid;
import iommufd.api.uapi.IommufdFile;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A device that belongs to the client's own iommufd: what it reaches is attached there. Guarded by the session's lock. */
final class ClientBinding implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClientBinding.class);

    private final IommufdContext context;
    private final IommufdFile.Hold hold;
    private final BoundDevice bound;
    private final Set<Integer> attached = new TreeSet<>();

    /** @throws IommufdException {@link Errno#EBADF} if the iommufd is closed; what binding says */
    ClientBinding(IommufdFile file, DmaEndpoint endpoint) {
        context = file.context();
        hold = file.hold();
        try {
            bound = context.bind(endpoint);
        } catch (RuntimeException | Error refused) {
            hold.close();
            throw refused;
        }
    }

    /** Number of the device in the client's iommufd. */
    int id() {
        return bound.id();
    }

    /** Attaches an address space, or replaces what it is attached to. @return number of the HWPT in force */
    int attach(int asid, int targetId) {
        IommufdObject object = context.object(targetId);
        if (!(object instanceof Attachable target)) {
            throw new IommufdException(Errno.EINVAL, "object %d is neither an address space nor a page table: %s".formatted(targetId, object));
        }
        boolean replaces = attached.contains(asid);
        int id;
        if (asid == 0) {
            id = (replaces ? bound.replace(target) : bound.attach(target)).id();
        } else {
            Pasid pasid = new Pasid(asid);
            id = (replaces ? bound.replace(pasid, target) : bound.attach(pasid, target)).id();
        }
        attached.add(asid);
        return id;
    }

    /** Detaches an address space; one that is not attached is no error. */
    void detach(int asid) {
        if (!attached.remove(asid)) {
            return;
        }
        if (asid == 0) {
            bound.detach();
        } else {
            bound.detach(new Pasid(asid));
        }
    }

    @Override
    public void close() {
        try {
            Set.copyOf(attached).forEach(this::detach);
            bound.destroy();
        } catch (IommufdException gone) {
            LOG.debug("unbound with its context: {}", gone.getMessage());
        } finally {
            hold.close();
        }
    }
}
