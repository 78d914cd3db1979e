package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** A file of a client, shared with it. Thread-safe. */
@ProviderType
public interface ClientFile extends AutoCloseable {
    /** The descriptor in this process, for system calls; valid until {@link #close()}. */
    int descriptor();

    /**
     * What this runtime published behind the file; while this object is open, the client's close(2) does not close that node.
     *
     * @return empty if it is something else, or the node has vanished
     */
    Optional<OpenNode> node();

    /** Whether it is an eventfd: what {@link #signal()} and {@link #onSignal} are for. */
    boolean isEventfd();

    /** Adds 1 to an eventfd. @throws IommufdException {@link Errno#EBADF} if closed; {@link Errno#EINVAL} if it cannot be written */
    void signal();

    /**
     * Calls the listener whenever somebody has signalled the eventfd, also if that was before, until {@link #close()}. The eventfd
     * is set back to 0 each time, so several signals may be one call; there is one call at a time. When {@link #close()} returns, no
     * call is under way, unless it was called by the listener itself.
     *
     * @param listener must be quick and wait for nothing: all eventfds share one thread
     * @throws IommufdException {@link Errno#EINVAL} if it is no eventfd; {@link Errno#EBUSY} if there is a listener
     */
    void onSignal(Runnable listener);

    /**
     * The content for mapping, by file offsets. It stays usable until {@link #close()}, and while it is retained.
     *
     * @throws IommufdException {@link Errno#EINVAL} for what is no file in memory (memfd, tmpfs, hugetlbfs) nor on disk
     */
    UserMemory mappable();

    @Override
    void close();
}
