package iommufd.core.fabric;

import iommufd.api.hardware.PageRequest;
import java.util.function.IntPredicate;

/** Who answers page requests that meet a table: a fault queue. Thread-safe. */
public interface PageRequestReceiver {
    /** A request came. @return whether someone will answer. Never blocks, never throws. */
    boolean requested(FabricEndpoint endpoint, PageRequest request);

    /**
     * The endpoint leaves its table or hardware: what it asked with these PASIDs is dropped.
     *
     * @param answer whether to end the requests; if not, the device asks again by itself, on other hardware
     */
    void discard(FabricEndpoint endpoint, IntPredicate pasids, boolean answer);
}
