package iommu.tck;

/**
 * What a backend declares of its plain page tables.
 *
 * @param pageSizes bit n is set if entries of 2^n bytes exist
 * @param pasidBits width of PASIDs that an endpoint with 20-bit PASIDs may use; 0 for none
 * @param dirtyTracking whether page tables can record writes
 * @param nestParent whether page tables can carry nested domains
 * @param writeOnly whether a mapping for writes only refuses reads; some formats cannot express it
 * @param keptTableBytes bytes of table frames one page table may keep in reserve beyond what its mappings need
 */
public record Capabilities(long pageSizes, int pasidBits, boolean dirtyTracking, boolean nestParent, boolean writeOnly,
        long keptTableBytes) {
    /** Nothing but mapping, in entries of these sizes. @param pageSizes bit n is set if entries of 2^n bytes exist */
    public static Capabilities ofPageSizes(long pageSizes) {
        return new Capabilities(pageSizes, 0, false, false, true, 0);
    }

    /** The same with PASIDs of that width. */
    public Capabilities withPasidBits(int bits) {
        return new Capabilities(pageSizes, bits, dirtyTracking, nestParent, writeOnly, keptTableBytes);
    }

    /** The same with dirty tracking. */
    public Capabilities withDirtyTracking() {
        return new Capabilities(pageSizes, pasidBits, true, nestParent, writeOnly, keptTableBytes);
    }

    /** The same with page tables that carry nested domains. */
    public Capabilities withNestParent() {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, true, writeOnly, keptTableBytes);
    }

    /** The same, but mappings for writes only can be read as well. */
    public Capabilities withoutWriteOnly() {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, nestParent, false, keptTableBytes);
    }

    /** The same with a reserve of table frames per page table. */
    public Capabilities withKeptTableBytes(long bytes) {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, nestParent, writeOnly, bytes);
    }
}
