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

    /** A client that never pins: its access may be to mappings that are not aligned to pages, and it must not call {@link Access#pin}. */
    AccessClient WITHOUT_PINS = (iova, lengthBytes) -> { };

    /** {@link #WITHOUT_PINS}. */
    static AccessClient withoutPins() {
        return WITHOUT_PINS;
    }
}
