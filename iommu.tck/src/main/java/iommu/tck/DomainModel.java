package iommu.tck;

import iommufd.api.DmaAccess;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** What a page table should contain: a sorted map of its mappings, and the set of its dirty pages. */
final class DomainModel {
    /** What was mapped at once. */
    record Mapping(Mapped mapped, DmaAccess access) {}

    private final TreeMap<Long, Mapping> mappings = new TreeMap<>();
    final TreeSet<Long> dirtyPages = new TreeSet<>();
    boolean tracking;

    boolean isFree(long iova, long lastIova) {
        Map.Entry<Long, Mapping> below = mappings.floorEntry(lastIova);
        return below == null || below.getValue().mapped.lastIova() < iova;
    }

    void add(Mapped mapped, DmaAccess access) {
        mappings.put(mapped.iova(), new Mapping(mapped, access));
    }

    /** The mapping that covers {@code iova}; null if none does. */
    Mapping at(long iova) {
        Map.Entry<Long, Mapping> below = mappings.floorEntry(iova);
        return below == null || below.getValue().mapped.lastIova() < iova ? null : below.getValue();
    }

    /** The range, grown so that it cuts no mapping. */
    long[] wholeMappings(long iova, long lastIova) {
        Mapping first = at(iova);
        Mapping last = at(lastIova);
        return new long[] {first == null ? iova : first.mapped.iova(), last == null ? lastIova : last.mapped.lastIova()};
    }

    /** Removes all mappings of the range. @return their bytes */
    long remove(long iova, long lastIova) {
        long bytes = 0;
        for (Mapping mapping : mappings.subMap(iova, true, lastIova, true).values()) {
            bytes += mapping.mapped.lengthBytes();
        }
        mappings.subMap(iova, true, lastIova, true).clear();
        dirtyPages.subSet(iova, true, lastIova, true).clear();
        return bytes;
    }
}
