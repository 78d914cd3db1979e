package iommufd.core.fabric;

import iommufd.api.hardware.PageRequest;

/** Who answers page requests that meet a table: a fault queue. Thread-safe. */
public interface PageRequestReceiver {
    /** A request came. @return whether someone will answer. Never blocks, never throws. */
    boolean requested(FabricEndpoint endpoint, PageRequest request);

    /** The endpoint left its hardware or table: nobody waits for answers to what it asked with {@code pasid}. */
    void discard(FabricEndpoint endpoint, int pasid);
}
