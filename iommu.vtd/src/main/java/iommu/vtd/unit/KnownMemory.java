package iommu.vtd.unit;

import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;

/**
 * Where the memory behind a bus address lies, answered without asking for a neighbour of the last one: tables lie close together.
 * Nothing the unit reads or writes is reached in another way. Memory goes away only after an invalidation, when the port asks
 * anew. Belongs to one port, or is guarded by the unit's lock.
 */
final class KnownMemory {
    /** No memory there; any negative number. */
    static final long NOWHERE = MemoryMap.NOWHERE;

    private static final int GRANULE_LG2 = Long.numberOfTrailingZeros(HostMemory.BACKING_BYTES);
    private static final long NONE = -1L;

    private final MemoryMap map;
    private long granule = NONE;
    /** What to add to a bus address in the granule. */
    private long distance;

    KnownMemory(MemoryMap map) {
        this.map = map;
    }

    /** The host address of a word, or {@link #NOWHERE}. */
    long hostAddress(long busAddress) {
        return busAddress >>> GRANULE_LG2 == granule ? busAddress + distance : ask(busAddress);
    }

    private long ask(long busAddress) {
        long hostAddress = locate(busAddress);
        if (hostAddress < 0) {
            return NOWHERE;
        }
        long start = busAddress & -HostMemory.BACKING_BYTES;
        long whole = map.hostAddress(start, HostMemory.BACKING_BYTES);
        if (HostMemory.isBacked(whole) && HostMemory.isBacked(whole + HostMemory.BACKING_BYTES - 1)) {
            granule = busAddress >>> GRANULE_LG2;
            distance = whole - start;
        }
        return hostAddress;
    }

    /** As {@link #hostAddress}, without remembering anything. */
    long locate(long busAddress) {
        long hostAddress = map.hostAddress(busAddress);
        return HostMemory.isBacked(hostAddress) ? hostAddress : NOWHERE;
    }

    void forget() {
        granule = NONE;
    }
}
