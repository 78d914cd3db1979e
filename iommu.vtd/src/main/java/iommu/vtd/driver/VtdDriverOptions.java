package iommu.vtd.driver;

/**
 * How a unit is driven.
 *
 * @param name name of the hardware, unique in the runtime
 * @param segment PCI segment whose endpoints are behind the unit
 * @param levels levels of page tables, 3 to 5; first-stage tables have at least 4
 */
public record VtdDriverOptions(String name, int segment, int levels) {
    /** Four levels, segment 0. */
    public static VtdDriverOptions named(String name) {
        return new VtdDriverOptions(name, 0, 4);
    }
}
