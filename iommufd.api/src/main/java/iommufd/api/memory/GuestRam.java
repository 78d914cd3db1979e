package iommufd.api.memory;

import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/** RAM inside the physical window, for guests and devices of this runtime. Addresses are offsets from its start. */
@ProviderType
public interface GuestRam extends UserMemory, AutoCloseable {
    /** The bytes, as their owner sees them; inaccessible after {@link #close()}. */
    MemorySegment segment();

    /** Size. */
    long lengthBytes();

    /** Physical address of its first byte; all of it is contiguous. */
    long physicalAddress();

    /** Gives the RAM back. What is pinned lives until its last unpin, as in Linux. */
    @Override
    void close();

    /** Takes the RAM away although it may be pinned: mappings stay, but DMA to them is refused from now on. */
    void revoke();
}
