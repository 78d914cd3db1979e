package iommufd.api;

import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** The slice of one physical IOMMU that a guest sees as its own ({@code IOMMU_VIOMMU_ALLOC}). */
@ProviderType
public non-sealed interface Viommu extends IommufdObject {
    /** The second stage under everything nested here. */
    PagingHwpt parent();

    /**
     * Gives a device the number by which the guest's IOMMU knows it.
     *
     * @throws IommufdException {@link Errno#EEXIST} if device or number has one already; {@link Errno#EINVAL} if the device
     *         is behind another IOMMU
     */
    Vdevice allocateVdevice(BoundDevice device, long virtualId);

    /** As {@link IommufdContext#allocateNestedHwpt} on {@link #parent()}. */
    default NestedHwpt allocateNestedHwpt(BoundDevice device, NestedTable table, Optional<FaultQueue> faults) {
        return allocateNestedHwpt(device, table, faults, false);
    }

    /** The same; {@code pasid} makes a table that may be attached to PASIDs ({@code IOMMU_HWPT_ALLOC_PASID}). */
    NestedHwpt allocateNestedHwpt(BoundDevice device, NestedTable table, Optional<FaultQueue> faults, boolean pasid);

    /**
     * A queue of events the guest's IOMMU would have recorded.
     *
     * @param depth records it holds, 1 to 2^19
     * @throws IommufdException {@link Errno#EINVAL} for a bad depth; {@link Errno#EEXIST} if that type has one;
     *         {@link Errno#EOPNOTSUPP} for an unknown type
     */
    EventQueue allocateEventQueue(int type, int depth);

    /**
     * Hands a queue in guest memory to the hardware.
     *
     * @param baseIova where it lies in the parent's address space
     * @throws IommufdException {@link Errno#EINVAL} for length 0; {@link Errno#EOVERFLOW}; {@link Errno#ENOENT} if it is not
     *         mapped; {@link Errno#EFAULT} if it is not contiguous; {@link Errno#EEXIST} if the index is taken;
     *         {@link Errno#EOPNOTSUPP}
     */
    HwQueue allocateHwQueue(int type, int index, long baseIova, long lengthBytes);

    /** Carries out invalidation requests in the guest's numbers. See {@link NestedHwpt#invalidate}. */
    InvalidationResult invalidate(InvalidationEntries entries);
}
