package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A node in the hands of a client, shared by all copies of its file descriptor. Calls may come from several threads at once.
 *
 * <p>A call that waits must wait interruptibly: the thread is interrupted when the client gets a signal or is killed, and when the
 * node or its publisher goes. {@link InterruptedException} is {@code EINTR} for the client. Any other exception than
 * {@link IommufdException} is {@code EIO}, and logged.
 */
@ConsumerType
public interface OpenNode extends AutoCloseable {
    /** {@link #poll()}: a read would return something. */
    int READABLE = 1;
    /** {@link #poll()}: a write would be taken. */
    int WRITABLE = 4;
    /** {@link #poll()}: something is broken. */
    int ERROR = 8;
    /** {@link #poll()}: the other end is gone. */
    int HANGUP = 16;

    /**
     * An ioctl.
     *
     * @param argument as the client passed it, most often an address in {@link Caller#memory()}
     * @return what the client's call returns, 0 to {@link Integer#MAX_VALUE}
     * @throws IommufdException {@link Errno#ENOTTY} for an unknown request, else what the uAPI says
     */
    long ioctl(Caller caller, int request, long argument) throws InterruptedException;

    /**
     * Reads.
     *
     * @param target room for what the client asked for, at most 1 MiB; larger reads come in parts
     * @param offset position in the file; 0 unless {@link #positioned()}
     * @return bytes stored; 0 is the end of the file
     * @throws IommufdException {@link Errno#EINVAL} unless overridden
     */
    default int read(Caller caller, MemorySegment target, long offset) throws InterruptedException {
        throw new IommufdException(Errno.EINVAL, "this node cannot be read");
    }

    /**
     * Whether a read(2) of 0 bytes has an answer of its own, which {@link #read} gives without waiting; else it is 0 and nobody asks.
     * Only programs that were launched are heard.
     */
    default boolean answersEmptyReads() {
        return false;
    }

    /**
     * Writes.
     *
     * @param source what the client wrote, at most 1 MiB; larger writes come in parts
     * @param offset position in the file; 0 unless {@link #positioned()}
     * @return bytes taken
     * @throws IommufdException {@link Errno#EINVAL} unless overridden
     */
    default int write(Caller caller, MemorySegment source, long offset) throws InterruptedException {
        throw new IommufdException(Errno.EINVAL, "this node cannot be written");
    }

    /** Whether the file has positions (pread(2), lseek(2)); else it is a stream. Asked once. */
    default boolean positioned() {
        return false;
    }

    /**
     * The file that the client maps when it maps this node, at the same offsets. Asked once.
     *
     * @return a descriptor of this process, most often of a memfd, of the same file for all that is open of one
     *         {@link DeviceNode}; empty if the node cannot be mapped ({@code ENODEV})
     */
    default OptionalInt mappableFile() {
        return OptionalInt.empty();
    }

    /** {@link #READABLE}, {@link #WRITABLE}, {@link #ERROR} and {@link #HANGUP}, as is true now. */
    default int poll() {
        return 0;
    }

    /** Calls {@code listener} whenever {@link #poll()} may have changed. Set once, right after the node was opened. */
    default void onPollChange(Runnable listener) {}

    /** Who tells people what the ioctls say. Asked once. */
    default IoctlDecoder decoder() {
        return IoctlDecoder.NONE;
    }

    /** The last file descriptor is gone, for instance because the client died. No call is under way or will come. Never fails. */
    @Override
    void close();
}
