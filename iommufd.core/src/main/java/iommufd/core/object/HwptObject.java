package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.IommufdException;
import iommufd.core.fabric.TranslationTable;
import java.util.Optional;

/** A page table under a number: what devices are attached to. */
abstract sealed class HwptObject extends ContextObject permits PagingHwptObject, NestedHwptObject {
    private final Optional<FaultQueueObject> faults;

    HwptObject(Context context, Optional<FaultQueueObject> faults) {
        super(context);
        this.faults = faults;
        faults.ifPresent(FaultQueueObject::hold);
    }

    /** The table on hardware. */
    abstract TranslationTable table();

    /** Whether it was made for PASIDs. */
    abstract boolean forPasid();

    /** The paging table whose address space devices see: itself, or its parent. */
    abstract PagingHwptObject paging();

    /** As the API shows it. */
    abstract Hwpt asHwpt();

    @Override
    final void release() {
        table().close();
        faults.ifPresent(FaultQueueObject::letGo);
        releaseParents();
    }

    abstract void releaseParents();

    /** Devices of its IOMMU only. */
    final void checkSuits(DeviceObject device) {
        if (!table().suits(device.fabricEndpoint())) {
            throw new IommufdException(Errno.EINVAL, this + " is not of the IOMMU in front of " + device);
        }
    }
}
