package iommufd.api.node;

import iommufd.api.ContextOwner;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The client behind one call, on the thread that makes the call. It is only valid until the call returns; what
 * {@link #owner()}, {@link ClientMemory#mappable()} and {@link ClientFiles} gave stays valid longer.
 */
@ProviderType
public interface Caller {
    /** Who is charged, with which rights. Asked of the system each time: not for every call. */
    ContextOwner owner();

    /** Its memory. */
    ClientMemory memory();

    /** Its file descriptors. */
    ClientFiles files();

    /** Whether the file is open with {@code O_NONBLOCK}, in {@link OpenNode#read} and {@link OpenNode#write}; else false. */
    boolean nonBlocking();
}
