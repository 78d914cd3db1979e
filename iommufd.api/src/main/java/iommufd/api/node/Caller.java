package iommufd.api.node;

import iommufd.api.ContextOwner;
import java.util.function.LongSupplier;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The client behind one call, on the thread that makes the call. It is only valid until the call returns; what
 * {@link #owner()}, {@link ClientMemory#mappable()} and {@link ClientFiles} gave stays valid longer.
 */
@ProviderType
public interface Caller {
    /** Who is charged, with which rights. Asked of the system each time: not for every call. */
    ContextOwner owner();

    /**
     * What {@link ContextOwner#lockedMemoryLimitBytes()} of its {@link #owner()} is at the moment it is asked, also after the call: a
     * client may raise its limit between mapping memory and attaching what pins it. Of a process that is gone it is the last one known.
     * Asking takes no lock that is held while something here is called.
     */
    default LongSupplier lockedMemoryLimit() {
        long bytes = owner().lockedMemoryLimitBytes();
        return () -> bytes;
    }

    /** Its memory. */
    ClientMemory memory();

    /** Its file descriptors. */
    ClientFiles files();

    /** Whether the file is open with {@code O_NONBLOCK}, in {@link OpenNode#read} and {@link OpenNode#write}; else false. */
    boolean nonBlocking();
}
