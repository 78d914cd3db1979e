package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Who pays for pinned pages. Two charges are the same payer if and only if they are the same object. Thread-safe; called
 * under the locks of the pages, so implementations must not block or call back.
 */
public interface PinCharge {
    /** Nobody pays: no limit, no count. */
    PinCharge NONE = new PinCharge() {
        @Override
        public void charge(long pages) { }

        @Override
        public void uncharge(long pages) { }
    };

    /**
     * Charges pages of 4 KiB, all or none.
     *
     * @throws IommufdException {@link Errno#ENOMEM} beyond the payer's limit
     */
    void charge(long pages);

    /** Gives charged pages back. Never fails. */
    void uncharge(long pages);
}
