package iommufd.api.memory;

import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Memory that cannot be placed in {@link HostMemory}: private memory of other processes. It has physical addresses behind the
 * window's end, and whoever follows such an address copies through this service. Slower than the window by a system call for each
 * copy. Thread-safe.
 *
 * <p>Pins are weaker than in the window: the memory is the process's own, live, not a snapshot. What the process unmaps is gone,
 * and with the process all of it is; then copying fails, which devices see as a bus error. What it maps there instead is seen.
 */
@ProviderType
public interface FarMemory {
    /** Where far addresses start. */
    long START = HostMemory.SIZE_BYTES;
    /** Where they end: 46 bits, which every IOMMU can put into its tables. */
    long END = 1L << 46;

    /** Whether an address is far. */
    static boolean isFar(long physicalAddress) {
        return physicalAddress >= START && physicalAddress < END;
    }

    /**
     * Copies out of far memory.
     *
     * @param target native or on the heap
     * @return false if any of it is not there (any more); the target's content is then undefined
     */
    boolean read(long physicalAddress, MemorySegment target);

    /**
     * Copies into far memory. Whether a device may write is the IOMMU's business, it is not checked again.
     *
     * @param source native or on the heap
     * @return false if any of it is not there (any more); a part may have been written
     */
    boolean write(long physicalAddress, MemorySegment source);
}
