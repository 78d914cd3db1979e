package vdpa.adapter.device;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import java.util.Optional;
import vdpa.adapter.memory.NotificationPages;
import vdpa.device.VdpaDevice;
import vdpa.device.VdpaFunction;

/** A device that clients can have, one at a time. Its monitor guards whose it is. */
public final class AdaptedVdpa implements AutoCloseable {
    private final VdpaDevice model;
    private final VdpaFunction function;
    private final int number;
    private final IommufdService engine;
    private final DmaEndpoint endpoint;
    private final Optional<NotificationPages> pages;
    private Optional<VdpaSession> session = Optional.empty();
    private boolean opening;
    private boolean gone;

    /**
     * Plugs a device in.
     *
     * @param number of its node
     * @throws IommufdException {@link Errno#EBUSY} if its address is taken; {@link Errno#ENOMEM}
     */
    public AdaptedVdpa(VdpaDevice model, int number, DmaFabric fabric, IommufdService engine) {
        this.model = model;
        this.function = model.function();
        this.number = number;
        this.engine = engine;
        pages = function.notificationPages() ? Optional.of(new NotificationPages(name(), function.queues())) : Optional.empty();
        try {
            endpoint = fabric.plug(function.endpoint());
        } catch (RuntimeException refused) {
            pages.ifPresent(NotificationPages::close);
            throw refused;
        }
    }

    /** Number of its node. */
    public int number() {
        return number;
    }

    /** What it is. */
    public VdpaFunction function() {
        return function;
    }

    /** Its name, and that of its node in {@code /dev}. */
    public String name() {
        return "vhost-vdpa-" + number;
    }

    /** What clients may map to kick queues. */
    public Optional<NotificationPages> pages() {
        return pages;
    }

    VdpaDevice model() {
        return model;
    }

    DmaEndpoint endpoint() {
        return endpoint;
    }

    IommufdService engine() {
        return engine;
    }

    /**
     * A client takes it.
     *
     * @throws IommufdException {@link Errno#EBUSY} if somebody has it; {@link Errno#ENODEV} once it goes; what starting it says
     */
    public VdpaSession open(ContextOwner owner) {
        synchronized (this) {
            if (gone) {
                throw new IommufdException(Errno.ENODEV, name() + " is gone");
            }
            if (opening || session.isPresent()) {
                throw new IommufdException(Errno.EBUSY, name() + " is open already, and there is one client at a time");
            }
            opening = true;
        }
        try {
            VdpaSession opened = new VdpaSession(this, owner);
            synchronized (this) {
                session = Optional.of(opened);
            }
            return opened;
        } finally {
            synchronized (this) {
                opening = false;
            }
        }
    }

    /** The client has let go of it. */
    public void closed(VdpaSession closing) {
        closing.close();
        synchronized (this) {
            session = session.filter(open -> open != closing);
        }
    }

    /** Nobody gets it any more; for who has it, it is gone. */
    public void withdraw() {
        Optional<VdpaSession> open;
        synchronized (this) {
            gone = true;
            open = session;
        }
        open.ifPresent(VdpaSession::close);
    }

    /** Unplugs it. */
    @Override
    public void close() {
        withdraw();
        endpoint.close();
        pages.ifPresent(NotificationPages::close);
    }
}
