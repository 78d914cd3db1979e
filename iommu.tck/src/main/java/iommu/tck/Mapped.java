package iommu.tck;

import iommufd.api.memory.PinnedRuns;

/**
 * What one map call was asked for.
 *
 * @param iova where
 * @param runs the memory behind, in this order
 */
record Mapped(long iova, PinnedRuns runs) {
    /** One run. */
    static Mapped of(long iova, long physicalAddress, long lengthBytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(physicalAddress, lengthBytes);
        return new Mapped(iova, runs);
    }

    long lengthBytes() {
        return runs.totalBytes();
    }

    long lastIova() {
        return iova + runs.totalBytes() - 1;
    }

    /** Where the byte at {@code address} lies; it must be inside. */
    long physicalAddress(long address) {
        long offset = address - iova;
        for (int run = 0; run < runs.count(); run++) {
            if (offset < runs.lengthBytes(run)) {
                return runs.physicalAddress(run) + offset;
            }
            offset -= runs.lengthBytes(run);
        }
        throw new IllegalArgumentException("IOVA 0x%x is not inside the mapping".formatted(address));
    }
}
