package iommu.tck;

import java.time.Duration;

/**
 * What a backend declares of its plain page tables.
 *
 * @param pageSizes bit n is set if entries of 2^n bytes exist
 * @param pasidBits width of PASIDs that an endpoint with 20-bit PASIDs may use; 0 for none
 * @param dirtyTracking whether page tables can record writes
 * @param nestParent whether page tables can carry nested domains
 * @param writeOnly whether a mapping for writes only refuses reads; some formats cannot express it
 * @param keptTableBytes bytes of table frames one page table may keep in reserve beyond what its mappings need
 * @param pageRequestTimeout how long a request waits for an absent page without an answer; zero if none waits. Some seconds: devices
 *        of the kit must be answered in time on a machine that is busy
 */
public record Capabilities(long pageSizes, int pasidBits, boolean dirtyTracking, boolean nestParent, boolean writeOnly,
        long keptTableBytes, Duration pageRequestTimeout) {
    /** Without page requests. */
    public Capabilities(long pageSizes, int pasidBits, boolean dirtyTracking, boolean nestParent, boolean writeOnly, long keptTableBytes) {
        this(pageSizes, pasidBits, dirtyTracking, nestParent, writeOnly, keptTableBytes, Duration.ZERO);
    }

    /** Nothing but mapping, in entries of these sizes. @param pageSizes bit n is set if entries of 2^n bytes exist */
    public static Capabilities ofPageSizes(long pageSizes) {
        return new Capabilities(pageSizes, 0, false, false, true, 0);
    }

    /** The same with PASIDs of that width. */
    public Capabilities withPasidBits(int bits) {
        return new Capabilities(pageSizes, bits, dirtyTracking, nestParent, writeOnly, keptTableBytes, pageRequestTimeout);
    }

    /** The same with dirty tracking. */
    public Capabilities withDirtyTracking() {
        return new Capabilities(pageSizes, pasidBits, true, nestParent, writeOnly, keptTableBytes, pageRequestTimeout);
    }

    /** The same with page tables that carry nested domains. */
    public Capabilities withNestParent() {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, true, writeOnly, keptTableBytes, pageRequestTimeout);
    }

    /** The same, but mappings for writes only can be read as well. */
    public Capabilities withoutWriteOnly() {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, nestParent, false, keptTableBytes, pageRequestTimeout);
    }

    /** The same with a reserve of table frames per page table. */
    public Capabilities withKeptTableBytes(long bytes) {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, nestParent, writeOnly, bytes, pageRequestTimeout);
    }

    /** The same with endpoints that ask for absent pages and wait so long. */
    public Capabilities withPageRequests(Duration timeout) {
        return new Capabilities(pageSizes, pasidBits, dirtyTracking, nestParent, writeOnly, keptTableBytes, timeout);
    }

    /** Whether endpoints that can ask for absent pages do. */
    public boolean pageRequests() {
        return !pageRequestTimeout.isZero();
    }
}
