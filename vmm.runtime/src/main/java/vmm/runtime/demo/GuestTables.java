package vmm.runtime.demo;

import iommufd.api.InvalidationResult;
import iommufd.api.NestedHwpt;
import iommufd.api.PagingHwpt;

/**
 * What a guest's own driver keeps in its memory: tables in its hardware's format that map one page for a device, and the commands
 * that make its IOMMU forget. Guest-physical addresses are offsets in the guest's memory.
 */
interface GuestTables {
    /** Where the guest maps a page for its device. */
    long IOVA = 0x12_3456_7000L;

    /** Tables in the format of the hardware that serves {@code guest}, over {@code parent}; the page is absent at first. */
    static GuestTables build(Guest guest, PagingHwpt parent) {
        return switch (guest.vendor()) {
            case PromiseHardware.VTD -> new VtdGuestTables(guest, parent);
            case PromiseHardware.SMMUV3 -> new SmmuGuestTables(guest, parent);
            case PromiseHardware.S390 -> new ZpciGuestTables(guest, parent);
            default -> throw new Step.StepFailed("nobody here writes tables of " + guest.vendor());
        };
    }

    /** The tables as a page table of iommufd. */
    NestedHwpt hwpt();

    /** {@link #IOVA} leads to the page at {@code guestAddress} from now on; hardware may still hold the former entry. */
    void map(long guestAddress);

    /** {@link #IOVA} leads nowhere; hardware may still hold the former entry. */
    void unmap();

    /** The guest's command to forget {@link #IOVA}, as its monitor passes it on. */
    InvalidationResult invalidate();
}
