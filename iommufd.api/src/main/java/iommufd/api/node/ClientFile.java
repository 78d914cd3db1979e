package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import org.osgi.annotation.versioning.ProviderType;

/** A file of a client, shared with it. Thread-safe. */
@ProviderType
public interface ClientFile extends AutoCloseable {
    /** The descriptor in this process, for system calls; valid until {@link #close()}. */
    int descriptor();

    /** Adds 1 to an eventfd. @throws IommufdException {@link Errno#EBADF} if closed; {@link Errno#EINVAL} if it cannot be written */
    void signal();

    /**
     * The content for mapping, by file offsets. It stays usable until {@link #close()}, and while it is retained.
     *
     * @throws IommufdException {@link Errno#EINVAL} for what is no file in memory (memfd, tmpfs, hugetlbfs) nor on disk
     */
    UserMemory mappable();

    @Override
    void close();
}
