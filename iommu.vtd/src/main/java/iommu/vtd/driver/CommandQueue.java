package iommu.vtd.driver;

import static iommu.vtd.format.InvalidationDescriptor.DEVICE;
import static iommu.vtd.format.InvalidationDescriptor.DOMAIN;
import static iommu.vtd.format.InvalidationDescriptor.GLOBAL;
import static iommu.vtd.format.InvalidationDescriptor.PAGES;
import static iommu.vtd.format.InvalidationDescriptor.PASID;
import static iommu.vtd.format.InvalidationDescriptor.PASID_CACHE_GLOBAL;
import static iommu.vtd.format.InvalidationDescriptor.PASID_CACHE_PASID;
import static iommu.vtd.format.InvalidationDescriptor.PASID_PAGES;
import static iommu.vtd.format.InvalidationDescriptor.contextCache;
import static iommu.vtd.format.InvalidationDescriptor.deviceTlb;
import static iommu.vtd.format.InvalidationDescriptor.iotlb;
import static iommu.vtd.format.InvalidationDescriptor.pageGroupResponse;
import static iommu.vtd.format.InvalidationDescriptor.pageGroupWord;
import static iommu.vtd.format.InvalidationDescriptor.pagesAddress;
import static iommu.vtd.format.InvalidationDescriptor.pasidCache;
import static iommu.vtd.format.InvalidationDescriptor.pasidDeviceTlb;
import static iommu.vtd.format.InvalidationDescriptor.pasidIotlb;
import static iommu.vtd.format.InvalidationDescriptor.waitForStatus;
import static iommu.vtd.format.InvalidationDescriptor.wholeDeviceTlb;

import iommu.common.table.TablePool;
import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.InvalidationDescriptor;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's end of the invalidation queue (§6.5.2). Every method posts what one kind of change needs (§6.5.3.3, Table 28),
 * then a wait descriptor, and returns when the unit has completed it: no request uses what was invalidated. Allocates nothing.
 * Thread-safe.
 */
final class CommandQueue implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CommandQueue.class);
    private static final int FRAME_LG2 = 12;
    private static final int QUEUE_BYTES = 1 << FRAME_LG2;
    private static final int PAGE_LG2 = 12;
    /** More aligned pieces than this are not worth naming one by one. */
    private static final int MAX_PIECES = 8;
    /** Any mask of PASID-based invalidations works; this keeps the shifts small. */
    private static final int MAX_PASID_ADDRESS_MASK = 36;

    private final ReentrantLock lock = new ReentrantLock();
    private final RegisterAccess registers;
    private final TablePool pool;
    private final Runnable missedFaults;
    private final long queue;
    private final long status;
    private final boolean scalable;
    private final int step;
    private final int maxAddressMask;
    private int tail;
    private int unrung;
    private int sequence;
    /** Guarded by the lock. From then on the unit aborts all DMA and there is nothing to invalidate. */
    private boolean closed;

    /**
     * Sets the queue up; the unit's queue must be off.
     *
     * @param scalable posts 256-bit descriptors
     * @param missedFaults handles fault records whose event a queue error has hidden
     */
    CommandQueue(RegisterAccess registers, TablePool pool, boolean scalable, int maxAddressMask, Runnable missedFaults) {
        this.registers = registers;
        this.pool = pool;
        this.scalable = scalable;
        this.maxAddressMask = maxAddressMask;
        this.missedFaults = missedFaults;
        step = scalable ? InvalidationDescriptor.WIDE_BYTES : InvalidationDescriptor.BYTES;
        queue = pool.allocate(FRAME_LG2);
        try {
            status = pool.allocate(FRAME_LG2);
        } catch (RuntimeException failure) {
            pool.free(queue, FRAME_LG2);
            throw failure;
        }
        registers.write(Registers.IQT, 8, 0);
        registers.write(Registers.IQA, 8, queue | (scalable ? Registers.QUEUE_WIDE : 0));
    }

    /** Everything, after the root table changed. */
    void everything() {
        lock.lock();
        try {
            post(contextCache(GLOBAL, 0, 0), 0);
            if (scalable) {
                post(pasidCache(PASID_CACHE_GLOBAL, 0, 0), 0);
            }
            post(iotlb(GLOBAL, 0), 0);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** A present context entry of legacy mode changed from one domain to another, or vanished if both are the same. */
    void contextChanged(int sourceId, int formerDomain, int domain) {
        lock.lock();
        try {
            post(contextCache(DEVICE, formerDomain, sourceId), 0);
            if (domain != formerDomain) {
                post(contextCache(DEVICE, domain, sourceId), 0);
                post(iotlb(DOMAIN, domain), 0);
            }
            post(iotlb(DOMAIN, formerDomain), 0);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** A scalable-mode context entry vanished; its PASID entries are gone already. */
    void scalableContextRemoved(int sourceId) {
        lock.lock();
        try {
            post(contextCache(DEVICE, 0, sourceId), 0);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** A present PASID entry changed from one domain to another. @param users device-TLBs that may hold the former translations */
    void pasidChanged(int pasid, int formerDomain, int domain, DeviceTlbUsers users) {
        lock.lock();
        try {
            post(pasidCache(PASID_CACHE_PASID, formerDomain, pasid), 0);
            post(pasidCache(PASID_CACHE_PASID, domain, pasid), 0);
            post(pasidIotlb(PASID, formerDomain, pasid), 0);
            post(pasidIotlb(PASID, domain, pasid), 0);
            postDeviceTlbs(users);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /**
     * A PASID entry vanished, or began to track dirty pages.
     *
     * @param wholeDomain a second stage, or a directory entry went, too
     * @param users device-TLBs that may hold its translations
     */
    void pasidRemoved(int pasid, int domain, boolean wholeDomain, DeviceTlbUsers users) {
        lock.lock();
        try {
            post(pasidCache(PASID_CACHE_PASID, domain, pasid), 0);
            post(wholeDomain ? iotlb(DOMAIN, domain) : pasidIotlb(PASID, domain, pasid), 0);
            postDeviceTlbs(users);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** Everything cached of a domain, whatever uses it. */
    void domain(int domain) {
        lock.lock();
        try {
            post(iotlb(DOMAIN, domain), 0);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** Entries of a second stage changed in {@code [first, last]}. @param leavesOnly no pointer to a table did */
    void secondStagePages(int domain, long first, long last, boolean leavesOnly, DeviceTlbUsers users) {
        lock.lock();
        try {
            if (pieces(first, last, maxAddressMask) > MAX_PIECES) {
                post(iotlb(DOMAIN, domain), 0);
            } else {
                postPages(iotlb(PAGES, domain), first, last, maxAddressMask, leavesOnly);
            }
            postDeviceTlbs(users);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Entries of a first stage changed in {@code [first, last]}.
     *
     * @param users PASIDs it is attached to; read once the lock is held, so that one that is not seen walks the changed entries
     */
    void firstStagePages(int domain, AttachedPasids users, long first, long last, boolean leavesOnly, DeviceTlbUsers deviceTlbs) {
        lock.lock();
        try {
            int[] pasids = users.distinct();
            boolean whole = pieces(first, last, MAX_PASID_ADDRESS_MASK) > MAX_PIECES;
            for (int pasid : pasids) {
                if (whole) {
                    post(pasidIotlb(PASID, domain, pasid), 0);
                } else {
                    postPages(pasidIotlb(PASID_PAGES, domain, pasid), first, last, MAX_PASID_ADDRESS_MASK, leavesOnly);
                }
            }
            postDeviceTlbs(deviceTlbs);
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** A group of page requests is answered. @param pasid below 0 for none */
    void respond(int sourceId, int pasid, int group, int code) {
        lock.lock();
        try {
            post(pageGroupResponse(sourceId, pasid, code), pageGroupWord(group));
            complete();
        } finally {
            lock.unlock();
        }
    }

    /** Device-TLBs forget all they have of a domain: after the IOTLB has, which they might ask again (§6.5.2.5). */
    private void postDeviceTlbs(DeviceTlbUsers users) {
        for (int i = 0; i < users.count(); i++) {
            if (users.open(i)) {
                int pasid = users.pasid(i);
                post(pasid < 0 ? deviceTlb(users.sourceId(i)) : pasidDeviceTlb(users.sourceId(i), pasid), wholeDeviceTlb(pasid >= 0));
            }
        }
    }

    private void postPages(long firstWord, long first, long last, int maxMask, boolean leavesOnly) {
        long end = (last >>> PAGE_LG2) + 1;
        for (long page = first >>> PAGE_LG2; page < end; ) {
            int mask = pieceLg2(page, end, maxMask);
            post(firstWord, pagesAddress(page << PAGE_LG2, mask, leavesOnly));
            page += 1L << mask;
        }
    }

    /** How many naturally aligned powers of two the range takes; gives up beyond {@link #MAX_PIECES}. */
    private static int pieces(long first, long last, int maxMask) {
        long end = (last >>> PAGE_LG2) + 1;
        int pieces = 0;
        for (long page = first >>> PAGE_LG2; page < end && pieces <= MAX_PIECES; pieces++) {
            page += 1L << pieceLg2(page, end, maxMask);
        }
        return pieces;
    }

    private static int pieceLg2(long page, long end, int maxMask) {
        int aligned = Math.min(Long.numberOfTrailingZeros(page), maxMask);
        return Math.min(aligned, 63 - Long.numberOfLeadingZeros(end - page));
    }

    private void post(long first, long second) {
        assert lock.isHeldByCurrentThread();
        if (closed) {
            return;
        }
        long slot = queue + tail;
        PhysicalWords.set(slot, first);
        PhysicalWords.set(slot + 8, second);
        tail = tail + step & QUEUE_BYTES - 1;
        // The unit executes inside the write to the tail, so that a ring that was rung is empty.
        if (++unrung == QUEUE_BYTES / step - 1) {
            ring();
        }
    }

    private void ring() {
        unrung = 0;
        registers.write(Registers.IQT, 8, tail);
    }

    private void complete() {
        if (closed) {
            return;
        }
        post(waitForStatus(++sequence), status);
        ring();
        if (PhysicalWords.getInt(status) != sequence) {
            recover();
        }
    }

    /**
     * A request that does not end keeps the wait from completing. Memory must not be given away under it, so the driver goes on
     * waiting: clearing the error makes the unit try the same descriptor again.
     */
    private void recover() {
        while (PhysicalWords.getInt(status) != sequence) {
            int fault = (int) registers.read(Registers.FSTS, 4);
            if ((fault & Registers.FAULT_QUEUE_ERROR) != 0) {
                long error = registers.read(Registers.IQERCD, 8) & 0xF;
                long head = registers.read(Registers.IQH, 8);
                throw new IllegalStateException("the unit refused the invalidation descriptor at 0x%x with error %d: the driver's invalidation queue is unusable"
                        .formatted(head, error));
            }
            LOG.warn("an invalidation waits for a DMA request that has not ended for seconds, or for a device that does not answer; waiting on");
            registers.write(Registers.FSTS, 4, Registers.FAULT_TIMEOUT);
            missedFaults.run();
        }
    }

    /** Gives the memory back; the unit's queue must be off. */
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            pool.free(status, FRAME_LG2);
            pool.free(queue, FRAME_LG2);
        } finally {
            lock.unlock();
        }
    }
}
