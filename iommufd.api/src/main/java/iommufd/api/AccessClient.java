package iommufd.api;

import org.osgi.annotation.versioning.ConsumerType;

/** What an emulated device does when memory it may have pinned goes away. */
@ConsumerType
@FunctionalInterface
public interface AccessClient {
    /**
     * The range is being unmapped: unpin everything that overlaps it, before returning. May be called for ranges that are
     * not pinned, and again if pins are left. Runs on the thread that unmaps; must not map or unmap.
     */
    void unmapping(long iova, long lengthBytes);

    /** A client that never pins. */
    static AccessClient withoutPins() {
        return (iova, lengthBytes) -> { };
    }
}
