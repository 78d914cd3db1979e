package iommufd.core.space;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.PinAccounting;
import iommufd.api.memory.UserMemory;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Locked-memory accounting of one runtime: pages charged per user and per process, against the owner's
 * {@code RLIMIT_MEMLOCK}. One instance serves all contexts. Thread-safe.
 */
public final class PinLimits {
    private final ConcurrentMap<Integer, AtomicLong> users = new ConcurrentHashMap<>();
    private final ConcurrentMap<Long, AtomicLong> processes = new ConcurrentHashMap<>();

    /**
     * The payer for a context. Each call gives another payer, of the same account.
     *
     * @param owner whose limit applies; its user or process is charged
     * @param accounting whether everything the user holds counts, or only what the process holds
     */
    public PinCharge chargeFor(ContextOwner owner, PinAccounting accounting) {
        AtomicLong account = switch (accounting) {
            case USER -> users.computeIfAbsent(owner.userId(), id -> new AtomicLong());
            case PROCESS -> processes.computeIfAbsent(owner.processId(), id -> new AtomicLong());
        };
        boolean limited = owner.lockedMemoryLimitBytes() != ContextOwner.UNLIMITED;
        return new Account(account, limited ? owner.lockedMemoryLimitBytes() / UserMemory.PAGE_BYTES : Long.MAX_VALUE);
    }

    /** Pages of 4 KiB charged to a user now. */
    public long pagesOfUser(int userId) {
        AtomicLong account = users.get(userId);
        return account == null ? 0 : account.get();
    }

    /** Pages of 4 KiB charged to a process now. */
    public long pagesOfProcess(long processId) {
        AtomicLong account = processes.get(processId);
        return account == null ? 0 : account.get();
    }

    private static final class Account implements PinCharge {
        private final AtomicLong pages;
        private final long limitPages;

        Account(AtomicLong pages, long limitPages) {
            this.pages = pages;
            this.limitPages = limitPages;
        }

        @Override
        public void charge(long more) {
            long present;
            do {
                present = pages.get();
                if (more > limitPages - present) {
                    throw new IommufdException(Errno.ENOMEM, "%d pages cannot be pinned: %d of %d are in use; raise RLIMIT_MEMLOCK (ulimit -l)"
                            .formatted(more, present, limitPages));
                }
            } while (!pages.compareAndSet(present, present + more));
        }

        @Override
        public void uncharge(long fewer) {
            long left = pages.addAndGet(-fewer);
            assert left >= 0 : "more pages given back than were charged";
        }
    }
}
