package iommu.common.dma;

import iommufd.api.FaultResponse;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntPredicate;

/**
 * What one endpoint has asked for and waits for: its groups of page requests (PCI Express), or its stalled transactions (Arm).
 * The device's thread waits here, outside every epoch, so that unmap, invalidation, a swap and a port's end never wait for
 * user space. Thread-safe; nothing is called with its lock held.
 *
 * <p>A wait ends with an answer to its PASID and group index, with {@link #release}, with the end of its port, with an interrupt
 * of its thread, and at the latest after the time-out. What comes after the end is an answer nobody waits for, and is ignored: a
 * group index is used again only after all others were.
 */
public final class PendingPages {
    private final int groups;
    private final long timeoutNanos;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Map<Integer, Wait> waits = new HashMap<>();
    private int nextGroup;

    private enum End { OPEN, RETRY, REFUSED }

    /** One device thread. Guarded by the lock. */
    private static final class Wait {
        final TranslatingPort port;
        final int pasid;
        End end = End.OPEN;

        Wait(TranslatingPort port, int pasid) {
            this.port = port;
            this.pasid = pasid;
        }
    }

    /**
     * @param groups how many may wait at once, with group indexes from 0 on: 512 for PCI Express (9 bits of PRG index); a device
     *        that would need more waits for one to end
     * @param timeoutNanos how long one wait lasts without an answer
     */
    public PendingPages(int groups, long timeoutNanos) {
        this.groups = groups;
        this.timeoutNanos = timeoutNanos;
    }

    /**
     * Asks, and waits for the answer: what {@link TranslatingPort#askForPage} does. Call on the device's thread, outside the
     * epoch and without locks.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}
     * @param send sends what the hardware sends, with the group index it is given, or fewer bits of it that the answer comes back
     *        with; answers false if nobody takes it. An answer may come before it returns
     * @return whether to look at the tables again: the answer was {@link FaultResponse#SUCCESS}, or the wait was {@link #release}d
     */
    public boolean request(TranslatingPort port, int pasid, IntPredicate send) {
        long deadlineNanos = System.nanoTime() + timeoutNanos;
        Wait wait = new Wait(port, pasid);
        int group = begin(wait, deadlineNanos);
        if (group < 0) {
            return false;
        }
        try {
            return send.test(group) && await(wait, deadlineNanos);
        } finally {
            end(group);
        }
    }

    /** @return the group index, or -1 if it ended before there was one */
    private int begin(Wait wait, long deadlineNanos) {
        lock.lock();
        try {
            wait.port.waitIn(this);   // before it is looked at whether the port is closed: see TranslatingPort.close
            while (waits.size() == groups) {
                if (wait.port.isClosed() || !awaitChange(deadlineNanos)) {
                    return -1;
                }
            }
            if (wait.port.isClosed()) {
                return -1;
            }
            while (waits.containsKey(nextGroup)) {
                nextGroup = (nextGroup + 1) % groups;
            }
            int group = nextGroup;
            nextGroup = (nextGroup + 1) % groups;
            waits.put(group, wait);
            return group;
        } finally {
            lock.unlock();
        }
    }

    private boolean await(Wait wait, long deadlineNanos) {
        lock.lock();
        try {
            while (wait.end == End.OPEN) {
                if (!awaitChange(deadlineNanos)) {
                    return false;
                }
            }
            return wait.end == End.RETRY;
        } finally {
            lock.unlock();
        }
    }

    /** The lock must be held. @return false if there is no more time */
    private boolean awaitChange(long deadlineNanos) {
        try {
            long left = deadlineNanos - System.nanoTime();
            return left > 0 && (changed.await(left, TimeUnit.NANOSECONDS) || deadlineNanos - System.nanoTime() > 0);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void end(int group) {
        lock.lock();
        try {
            waits.remove(group);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the wait that has this PASID and group index.
     *
     * @return false if there is none: the answer is late, doubled or made up
     */
    public boolean answer(int pasid, int group, FaultResponse response) {
        lock.lock();
        try {
            Wait wait = waits.get(group);
            if (wait == null || wait.pasid != pasid || wait.end != End.OPEN) {
                return false;
            }
            wait.end = response == FaultResponse.SUCCESS ? End.RETRY : End.REFUSED;
            changed.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the waits of these PASIDs because what they wait for is no more: their table was taken away, or the unit was reset.
     * They look at the tables again, and find out.
     */
    public void release(IntPredicate pasids) {
        lock.lock();
        try {
            for (Wait wait : waits.values()) {
                if (wait.end == End.OPEN && pasids.test(wait.pasid)) {
                    wait.end = End.RETRY;
                }
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The port is closed: its thread goes back to it. */
    void leave(TranslatingPort port) {
        lock.lock();
        try {
            for (Wait wait : waits.values()) {
                if (wait.port == port && wait.end == End.OPEN) {
                    wait.end = End.REFUSED;
                }
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** How many groups wait for an answer. */
    public int open() {
        lock.lock();
        try {
            return (int) waits.values().stream().filter(wait -> wait.end == End.OPEN).count();
        } finally {
            lock.unlock();
        }
    }
}
