package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ConsumerType;

/** A node in the hands of a client. Calls may come from several of its threads at once. */
@ConsumerType
public interface OpenNode extends AutoCloseable {
    /** {@link #poll()}: a read would return something. */
    int READABLE = 1;
    /** {@link #poll()}: a write would be taken. */
    int WRITABLE = 4;

    /**
     * An ioctl.
     *
     * @param argument as the client passed it, most often an address in {@link Caller#memory()}
     * @return what the client's call returns, not negative
     * @throws IommufdException {@link Errno#ENOTTY} for an unknown request, else what the uAPI says
     */
    long ioctl(Caller caller, int request, long argument);

    /** Reads at most {@code target.byteSize()} bytes. @throws IommufdException {@link Errno#EINVAL} unless overridden */
    default int read(Caller caller, MemorySegment target, long offset) {
        throw new IommufdException(Errno.EINVAL, "this node cannot be read");
    }

    /** Writes. @throws IommufdException {@link Errno#EINVAL} unless overridden */
    default int write(Caller caller, MemorySegment source, long offset) {
        throw new IommufdException(Errno.EINVAL, "this node cannot be written");
    }

    /** {@link #READABLE} and {@link #WRITABLE}, as is true now. */
    default int poll() {
        return 0;
    }

    /** Calls {@code listener} whenever {@link #poll()} may have changed. */
    default void onPollChange(Runnable listener) {}

    /** The last file descriptor is gone, for instance because the client died. Never fails. */
    @Override
    void close();
}
