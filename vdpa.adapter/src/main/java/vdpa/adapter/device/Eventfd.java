package vdpa.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientFile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An eventfd of a client, or none. Thread-safe. */
public final class Eventfd implements AutoCloseable {
    /** Nobody is told. */
    public static final Eventfd NONE = new Eventfd(null);
    /** Descriptor of {@link #NONE}. */
    private static final int NO_DESCRIPTOR = -1;
    private static final Logger LOG = LoggerFactory.getLogger(Eventfd.class);

    /** Null only in {@link #NONE}. */
    private final ClientFile file;

    private Eventfd(ClientFile file) {
        this.file = file;
    }

    /**
     * Takes up an eventfd.
     *
     * @param descriptor -1 is {@link #NONE}
     * @throws IommufdException {@link Errno#EBADF}; {@link Errno#EINVAL} if it is something else
     */
    public static Eventfd take(Caller caller, int descriptor) {
        if (descriptor == NO_DESCRIPTOR) {
            return NONE;
        }
        if (descriptor < 0) {
            throw new IommufdException(Errno.EBADF, "no descriptor is " + descriptor);
        }
        ClientFile taken = caller.files().take(descriptor);
        if (!taken.isEventfd()) {
            taken.close();
            throw new IommufdException(Errno.EINVAL, "descriptor " + descriptor + " of the client is no eventfd");
        }
        return new Eventfd(taken);
    }

    /** Whether somebody is told. */
    public boolean present() {
        return file != null;
    }

    /** Tells the client; one that has just been replaced is told no more. */
    public void signal() {
        if (file == null) {
            return;
        }
        try {
            file.signal();
        } catch (IommufdException closed) {
            LOG.debug("a signal came too late: {}", closed.getMessage());
        }
    }

    /** Calls the listener whenever the client signals it; see {@link ClientFile#onSignal}. */
    public void onSignal(Runnable listener) {
        if (file != null) {
            file.onSignal(listener);
        }
    }

    @Override
    public void close() {
        if (file != null) {
            file.close();
        }
    }
}
