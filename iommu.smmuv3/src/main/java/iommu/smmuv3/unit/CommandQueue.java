package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.QUEUE_BASE_ADDRESS;
import static iommu.smmuv3.format.SmmuRegister.QUEUE_LOG2SIZE;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.SmmuQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The unit's end of a command queue (IHI 0070, §3.5 and §4.1): takes commands out in order and stops at errors. A doorbell's
 * thread carries out at most {@link #BATCH} commands; who rings while another thread is at it leaves the work to that one.
 * Devices are called, and requests waited for, without any lock.
 */
abstract class CommandQueue {
    /** Commands that one doorbell's thread carries out. */
    static final int BATCH = 4096;
    private static final long SYNC_NANOS = 5_000_000_000L;

    private final SmmuUnit unit;
    private final CommandExecutor executor;
    private final AtomicInteger offers = new AtomicInteger();
    /** Lines to raise, once no lock is held. Like the rest touched by the thread that is at it only. */
    private int lines;
    private int left;
    /** A device did not answer since the last CMD_SYNC. */
    private boolean unanswered;
    /** The command at hand: its two words. */
    private final long[] command = new long[2];
    private final DeviceCalls calls;

    /** What {@link #advance} stopped at. */
    private enum Stop { NOTHING_TO_DO, SYNC, DEVICES, BATCH_END }

    CommandQueue(SmmuUnit unit, CommandExecutor executor) {
        this.unit = unit;
        this.executor = executor;
        calls = new DeviceCalls(unit.devices());
    }

    /** Whether commands may be taken out: it is enabled and no error is active. The unit's lock is held, as by all of these. */
    abstract boolean runs();

    /** Where it lies, and log2 of its entries in the low bits. */
    abstract long base();

    abstract int largestLg2();

    abstract int producer();

    abstract int consumer();

    abstract void consumed(int consumer);

    /** An error: the consumer index stays on the command. @return lines to raise */
    abstract int failed(int consumer, int code);

    /** The command as this queue's owner may give it. @return false if it may not */
    abstract boolean admit(long[] command);

    /** A CMD_SYNC asks for an interrupt. @return lines to raise */
    abstract int completed(long word0, long word1);

    /** Carries out what is in the queue. @return whether more may be waiting than one thread should do */
    final boolean carryOut() {
        if (offers.getAndIncrement() != 0) {
            return false;
        }
        int seen = 1;
        do {
            if (drain()) {
                offers.set(0);
                return true;
            }
            seen = offers.addAndGet(-seen);
        } while (seen != 0);
        return false;
    }

    private boolean drain() {
        left = BATCH;
        while (true) {
            Stop stop;
            unit.lock().lock();
            try {
                stop = advance();
            } finally {
                unit.lock().unlock();
            }
            signal();
            switch (stop) {
                case DEVICES -> calls.make();
                case SYNC -> {
                    if (!synchronize()) {
                        return false;
                    }
                }
                default -> {
                    calls.make();
                    return stop == Stop.BATCH_END;
                }
            }
        }
    }

    private void signal() {
        int raised = lines;
        lines = 0;
        unit.errors().signal(raised);
    }

    private int lg2() {
        return Math.min((int) base() & QUEUE_LOG2SIZE, largestLg2());
    }

    private Stop advance() {
        while (runs()) {
            int lg2 = lg2();
            int consumer = SmmuQueue.index(consumer(), lg2);
            int used = SmmuQueue.used(SmmuQueue.index(producer(), lg2), consumer, lg2);
            if (used == 0 || used > 1 << lg2) {
                return Stop.NOTHING_TO_DO;   // empty, or inconsistent indices: nothing is consumed
            }
            if (left-- == 0) {
                return Stop.BATCH_END;
            }
            if (!fetch(consumer, lg2)) {
                lines |= failed(consumer, CERROR_ABT);
                return Stop.NOTHING_TO_DO;
            }
            if (!admit(command)) {
                lines |= failed(consumer, CERROR_ILL);
                return Stop.NOTHING_TO_DO;
            }
            if (opcode(command[0]) == SYNC && completionSignal(command[0]) <= CS_SEV) {
                return Stop.SYNC;
            }
            int result = executor.execute(command[0], command[1], calls);
            if (result != CommandExecutor.DONE) {
                lines |= failed(consumer, result);
                return Stop.NOTHING_TO_DO;
            }
            consumed(SmmuQueue.next(consumer, lg2));
            if (calls.isDue()) {
                return Stop.DEVICES;
            }
        }
        return Stop.NOTHING_TO_DO;
    }

    /** Fetches the command there. @return false if there is no memory */
    private boolean fetch(int consumer, int lg2) {
        long table = base() & QUEUE_BASE_ADDRESS & -Math.max(32, 1L << lg2 + BYTES_LG2);
        long located = unit.bus().locate(table + ((long) SmmuQueue.entry(consumer, lg2) << BYTES_LG2), BYTES);
        if (located < 0) {
            return false;
        }
        command[0] = PhysicalWords.get(located);
        command[1] = PhysicalWords.get(located + 8);
        return true;
    }

    private static int completionSignal(long word0) {
        return (int) (word0 >>> CS_SHIFT) & 3;
    }

    /** Waits for everything before a CMD_SYNC. @return false if the queue stops here */
    private boolean synchronize() {
        unanswered |= !calls.makeAndAccount();
        boolean quiet = unit.awaitQuiescence(SYNC_NANOS);
        unit.lock().lock();
        try {
            int lg2 = lg2();
            int consumer = SmmuQueue.index(consumer(), lg2);
            boolean there = runs() && SmmuQueue.used(SmmuQueue.index(producer(), lg2), consumer, lg2) != 0;
            boolean fetched = there && fetch(consumer, lg2);
            if (!fetched || opcode(command[0]) != SYNC || !quiet) {
                return there && quiet;   // someone changed it meanwhile; or it waits for the next doorbell
            }
            if (unanswered) {
                unanswered = false;
                lines |= failed(consumer, CERROR_ATC_INV_SYNC);
                return false;
            }
            consumed(SmmuQueue.next(consumer, lg2));   // visible before the interrupt
            if (completionSignal(command[0]) == CS_IRQ) {
                lines |= completed(command[0], command[1]);
            }
            return true;
        } finally {
            unit.lock().unlock();
            signal();
        }
    }
}
