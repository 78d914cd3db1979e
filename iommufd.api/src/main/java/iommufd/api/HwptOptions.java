package iommufd.api;

import java.util.Optional;

/**
 * How a paging HWPT is made (flags of {@code IOMMU_HWPT_ALLOC}).
 *
 * @param nestParent may carry nested HWPTs and vIOMMUs ({@code …_NEST_PARENT}); excludes {@code faults}
 * @param dirtyTracking only devices that can track dirty pages may attach ({@code …_DIRTY_TRACKING})
 * @param pasid may be attached to PASIDs ({@code …_PASID})
 * @param faults where recoverable faults go ({@code …_FAULT_ID_VALID})
 */
public record HwptOptions(boolean nestParent, boolean dirtyTracking, boolean pasid, Optional<FaultQueue> faults) {
    /** No flag set. */
    public static HwptOptions none() {
        return new HwptOptions(false, false, false, Optional.empty());
    }

    /** Only dirty tracking. */
    public static HwptOptions withDirtyTracking() {
        return new HwptOptions(false, true, false, Optional.empty());
    }

    /** Only the nest-parent flag. */
    public static HwptOptions asNestParent() {
        return new HwptOptions(true, false, false, Optional.empty());
    }

    /** Only the PASID flag. */
    public static HwptOptions forPasid() {
        return new HwptOptions(false, false, true, Optional.empty());
    }
}
