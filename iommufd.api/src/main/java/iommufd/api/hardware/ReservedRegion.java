package iommufd.api.hardware;

import iommufd.api.IovaRange;

/**
 * IOVA that an endpoint's environment needs for itself.
 *
 * @param range where
 * @param kind why
 */
public record ReservedRegion(IovaRange range, Kind kind) {
    /** Why a region is reserved. */
    public enum Kind {
        /** Must never be mapped. */
        RESERVED,
        /** The hardware takes writes there for interrupts; never translated. */
        HARDWARE_MSI,
        /** Free choice of software for mapping an interrupt controller's doorbell. */
        SOFTWARE_MSI
    }
}
