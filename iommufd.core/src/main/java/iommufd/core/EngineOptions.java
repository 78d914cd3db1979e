package iommufd.core;

import iommufd.core.fabric.Patience;
import java.time.Duration;

/**
 * What can be chosen about an engine.
 *
 * @param gateTime how long a device's DMA waits for IOMMU hardware before it is aborted
 * @param callTime how long a backend may take for one call before it counts as failed
 * @param dirtyPages whether dirty tracking splits large IO page-table entries while it is on, so that it is precise to the page
 */
public record EngineOptions(Duration gateTime, Duration callTime, boolean dirtyPages) {
    /** 30 s and 10 s. */
    public static final EngineOptions DEFAULT = new EngineOptions(Duration.ofSeconds(30), Duration.ofSeconds(10));

    /** With dirty tracking that is precise to the page. */
    public EngineOptions(Duration gateTime, Duration callTime) {
        this(gateTime, callTime, true);
    }

    Patience patience() {
        return Patience.of(gateTime, callTime);
    }
}
