package iommu.s390.unit;

import iommufd.api.memory.HostMemory;

/**
 * Whether a table can be read, answered without asking for a neighbour of the last one: tables lie close together. Memory goes
 * away only after a refresh, when the port asks anew. Belongs to one port.
 */
final class KnownMemory {
    private static final int GRANULE_LG2 = Long.numberOfTrailingZeros(HostMemory.BACKING_BYTES);
    private static final long NONE = -1L;

    private long granule = NONE;

    boolean contains(long address) {
        return address >>> GRANULE_LG2 == granule || ask(address);
    }

    private boolean ask(long address) {
        if (!HostMemory.isBacked(address)) {
            return false;
        }
        granule = address >>> GRANULE_LG2;
        return true;
    }

    void forget() {
        granule = NONE;
    }
}
