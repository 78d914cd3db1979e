package iommu.vtd.driver;

import java.time.Duration;

/**
 * How a unit is driven.
 *
 * @param name name of the hardware, unique in the runtime
 * @param segment PCI segment whose endpoints are behind the unit
 * @param levels levels of page tables, 3 to 5; first-stage tables have at least 4
 * @param pageRequestTime how long a device that cannot wait by itself waits for an absent page it asked for
 */
public record VtdDriverOptions(String name, int segment, int levels, Duration pageRequestTime) {
    /** Ten seconds for absent pages. */
    public VtdDriverOptions(String name, int segment, int levels) {
        this(name, segment, levels, Duration.ofSeconds(10));
    }

    /** Four levels, segment 0. */
    public static VtdDriverOptions named(String name) {
        return new VtdDriverOptions(name, 0, 4);
    }
}
