package iommufd.core.space;

import iommufd.api.ContextOwner;
import iommufd.api.PinAccounting;

/**
 * Locked-memory accounting of one runtime: pages charged per user and per process, against the owner's
 * {@code RLIMIT_MEMLOCK}. One instance serves all contexts. Thread-safe.
 */
public final class PinLimits {
    /**
     * The payer for a context.
     *
     * @param owner whose limit applies; its user or process is charged
     * @param accounting whether everything the user holds counts, or only what the process holds
     */
    public PinCharge chargeFor(ContextOwner owner, PinAccounting accounting) {
        throw new UnsupportedOperationException();
    }

    /** Pages of 4 KiB charged to a user now. */
    public long pagesOfUser(int userId) {
        throw new UnsupportedOperationException();
    }

    /** Pages of 4 KiB charged to a process now. */
    public long pagesOfProcess(long processId) {
        throw new UnsupportedOperationException();
    }
}
