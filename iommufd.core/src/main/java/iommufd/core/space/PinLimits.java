package iommufd.core.space;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.PinAccounting;
import iommufd.api.memory.UserMemory;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

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
        return chargeFor(owner, accounting, owner::lockedMemoryLimitBytes);
    }

    /** The same, with a limit that may change. @param limitBytes asked each time, under the locks of the pages */
    public Payer chargeFor(ContextOwner owner, PinAccounting accounting, LongSupplier limitBytes) {
        AtomicLong account = switch (accounting) {
            case USER -> users.computeIfAbsent(owner.userId(), id -> new AtomicLong());
            case PROCESS -> processes.computeIfAbsent(owner.processId(), id -> new AtomicLong());
        };
        return new Payer(account, limitBytes);
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

    /** Who pays, up to a limit that is looked at when pages are pinned, as Linux does. */
    public static final class Payer implements PinCharge {
        private final AtomicLong pages;
        private volatile LongSupplier limitBytes;

        Payer(AtomicLong pages, LongSupplier limitBytes) {
            this.pages = pages;
            this.limitBytes = limitBytes;
        }

        /** Asks somebody else for the limit from now on. */
        public void limitBy(LongSupplier bytes) {
            limitBytes = bytes;
        }

        @Override
        public void charge(long more) {
            long bytes = limitBytes.getAsLong();
            long limitPages = bytes == ContextOwner.UNLIMITED ? Long.MAX_VALUE : bytes / UserMemory.PAGE_BYTES;
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
