package iommufd.api;

import iommufd.api.dma.DmaEndpoint;
import iommufd.api.memory.StageTwoTable;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * One open {@code /dev/iommu}: a set of numbered objects that hold each other.
 *
 * <p>After {@link #close()} every call on the context or on one of its objects is {@link Errno#EBADF}.
 */
@ProviderType
public interface IommufdContext extends AutoCloseable {
    /** An empty IO address space ({@code IOMMU_IOAS_ALLOC}). */
    Ioas allocateIoas();

    /**
     * An address space that is a hypervisor's: devices attached to it see what {@code table} shows the guest, through that very table.
     * Nothing can be mapped or unmapped here ({@link Errno#EOPNOTSUPP}), nothing is pinned; page requests of devices populate the table.
     * Its HWPTs exist on hardware that walks the format, and move only to such hardware. No ioctl.
     */
    Ioas allocateIoas(StageTwoTable table);

    /**
     * Takes a plugged endpoint for this context; its DMA stays blocked until it is attached.
     *
     * @throws IommufdException {@link Errno#EBUSY} if another context owns the endpoint or one of its group;
     *         {@link Errno#ENODEV} if no deployed IOMMU hardware serves it
     */
    BoundDevice bind(DmaEndpoint endpoint);

    /**
     * A page table of the device's IOMMU over an address space ({@code IOMMU_HWPT_ALLOC}, data type none).
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the hardware lacks what {@code options} asks for;
     *         {@link Errno#EINVAL} if options contradict each other
     */
    PagingHwpt allocateHwpt(BoundDevice device, Ioas ioas, HwptOptions options);

    /**
     * A page table whose first stage user space owns, on a {@code nestParent} or on a vIOMMU's parent.
     *
     * @throws IommufdException {@link Errno#EINVAL} if {@code parent} was not made as a nest parent or the data is
     *         malformed; {@link Errno#EOPNOTSUPP} if the hardware does not know the data's type
     */
    default NestedHwpt allocateNestedHwpt(BoundDevice device, PagingHwpt parent, NestedTable table, Optional<FaultQueue> faults) {
        return allocateNestedHwpt(device, parent, table, faults, false);
    }

    /** The same; {@code pasid} makes a table that may be attached to PASIDs ({@code IOMMU_HWPT_ALLOC_PASID}). */
    NestedHwpt allocateNestedHwpt(BoundDevice device, PagingHwpt parent, NestedTable table, Optional<FaultQueue> faults, boolean pasid);

    /** A queue of IO page faults that user space answers ({@code IOMMU_FAULT_QUEUE_ALLOC}). */
    FaultQueue allocateFaultQueue();

    /**
     * The right of an emulated device to reach memory through an address space by software.
     *
     * @param client is told before memory it pinned goes away
     */
    Access createAccess(AccessClient client);

    /**
     * A virtual IOMMU instance ({@code IOMMU_VIOMMU_ALLOC}).
     *
     * @throws IommufdException {@link Errno#EINVAL} if {@code parent} is no nest parent; {@link Errno#EOPNOTSUPP} if the
     *         hardware has no vIOMMU of that type
     */
    Viommu allocateViommu(BoundDevice device, PagingHwpt parent, ViommuTable table);

    /** Finds an object. @throws IommufdException {@link Errno#ENOENT} if there is none with that number */
    IommufdObject object(int id);

    /** As {@link IommufdObject#destroy()} of {@link #object}. */
    default void destroy(int id) {
        object(id).destroy();
    }

    /** Who is charged for pinned memory ({@code IOMMU_OPTION_RLIMIT_MODE}); {@link PinAccounting#USER} at first. */
    PinAccounting pinAccounting();

    /**
     * @throws IommufdException {@link Errno#EPERM} without CAP_SYS_RESOURCE; {@link Errno#EBUSY} once any object exists
     */
    void setPinAccounting(PinAccounting accounting);

    /**
     * Moves the charge for everything pinned to another process ({@code IOMMU_IOAS_CHANGE_PROCESS}).
     *
     * @throws IommufdException {@link Errno#EINVAL} if any mapping is not of a file; {@link Errno#ENOMEM} if the new owner's
     *         limit does not allow it
     */
    void changeProcess(ContextOwner newOwner);

    /** The address space that stands for a VFIO container ({@code IOMMU_VFIO_IOAS}), if one is set. */
    Optional<Ioas> vfioIoas();

    /** Sets or clears {@link #vfioIoas()}. */
    void setVfioIoas(Optional<Ioas> ioas);

    /** Destroys whatever is left, leaves first, and releases every pin; devices left bound are detached. Idempotent. */
    @Override
    void close();
}
