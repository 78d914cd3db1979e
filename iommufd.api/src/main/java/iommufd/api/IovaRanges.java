package iommufd.api;

import java.util.List;

/**
 * Where an address space can map.
 *
 * @param usable ranges in ascending order, not reserved by devices or page tables
 * @param alignmentBytes what IOVAs and lengths must be multiples of; a power of two, 1 if anything goes
 */
public record IovaRanges(List<IovaRange> usable, long alignmentBytes) {
    /** Copies the list. */
    public IovaRanges {
        usable = List.copyOf(usable);
    }
}
