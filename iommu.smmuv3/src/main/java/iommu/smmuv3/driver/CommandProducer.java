package iommu.smmuv3.driver;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.RegisterAccess;
import iommu.smmuv3.format.SmmuQueue;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's end of the command queue. Each method posts an invalidation and returns when a CMD_SYNC behind it has completed:
 * no request uses what it covers. Thread-safe; allocates nothing.
 */
final class CommandProducer {
    static final int ENTRIES_LG2 = 8;
    private static final Logger LOG = LoggerFactory.getLogger(CommandProducer.class);
    private static final int MAX_RANGE_LG2 = 5;

    private final RegisterAccess registers;
    private final long queue;
    private final ReentrantLock lock = new ReentrantLock();
    private int producer;
    private boolean stopped;

    CommandProducer(RegisterAccess registers, long queue) {
        this.registers = registers;
        this.queue = queue;
    }

    /** The unit is off and lets nothing pass: there is nothing to invalidate any more, and the queue's memory is gone. */
    void stop() {
        lock.lock();
        try {
            stopped = true;
        } finally {
            lock.unlock();
        }
    }

    /** Everything; for the first use of the unit. */
    void invalidateAll() {
        lock.lock();
        try {
            put(CFGI_STE_RANGE, RANGE);
            put(TLBI_NSNH_ALL, 0);
            synchronize();
        } finally {
            lock.unlock();
        }
    }

    /** A stream's entry, what leads to it and hangs under it. */
    void invalidateStream(int streamId) {
        post(CFGI_STE | (long) streamId << STREAM_SHIFT, 0);
    }

    /** A context descriptor and what leads to it. */
    void invalidateContext(int streamId, int substreamId) {
        post(CFGI_CD | (long) streamId << STREAM_SHIFT | (long) substreamId << SUBSTREAM_SHIFT, 0);
    }

    /** All translations of an ASID. */
    void invalidateAsid(int asid) {
        post(TLBI_NH_ASID | (long) asid << ASID_SHIFT, 0);
    }

    /** All translations of a VMID. */
    void invalidateVmid(int vmid) {
        post(TLBI_S12_VMALL | (long) vmid << VMID_SHIFT, 0);
    }

    /** Translations of an ASID in a range; with {@code leafOnly} not those of tables above. */
    void invalidateStage1(int asid, long first, long last, int granuleLg2, boolean leafOnly) {
        lock.lock();
        try {
            putRange(TLBI_NH_VA | (long) asid << ASID_SHIFT, first, last, granuleLg2, leafOnly);
            synchronize();
        } finally {
            lock.unlock();
        }
    }

    /** Translations of a VMID in a range of intermediate addresses, and the first-stage ones that may stand on them. */
    void invalidateStage2(int vmid, long first, long last, int granuleLg2, boolean leafOnly, boolean nestParent) {
        lock.lock();
        try {
            putRange(TLBI_S2_IPA | (long) vmid << VMID_SHIFT, first, last, granuleLg2, leafOnly);
            if (nestParent) {
                put(TLBI_NH_ALL | (long) vmid << VMID_SHIFT, 0);
            }
            synchronize();
        } finally {
            lock.unlock();
        }
    }

    /** {@code count} commands of two words each; returns when they are done. */
    void post(long[] words, int count) {
        lock.lock();
        try {
            for (int i = 0; i < count; i++) {
                put(words[2 * i], words[2 * i + 1]);
            }
            synchronize();
        } finally {
            lock.unlock();
        }
    }

    /** Ends a stalled request. */
    void resume(int streamId, int tag, boolean retry) {
        post(RESUME | (long) streamId << STREAM_SHIFT | (retry ? RESUME_RETRY : RESUME_ABORT), tag);
    }

    /** Aborts all stalled requests of a stream. */
    void terminateStalls(int streamId) {
        post(STALL_TERM | (long) streamId << STREAM_SHIFT, 0);
    }

    private void post(long word0, long word1) {
        lock.lock();
        try {
            put(word0, word1);
            synchronize();
        } finally {
            lock.unlock();
        }
    }

    /** One command for any range: 32 steps of the smallest power of two that suffices (§4.4.1.1). */
    private void putRange(long word0, long first, long last, int granuleLg2, boolean leafOnly) {
        long start = first & -(1L << granuleLg2);
        long granules = (last - start >>> granuleLg2) + 1;
        long word1 = start & ADDRESS | (leafOnly ? LEAF : 0);
        if (granules == 1) {
            put(word0, word1);
            return;
        }
        int scale = Math.max(0, Long.SIZE - Long.numberOfLeadingZeros(granules - 1) - MAX_RANGE_LG2);
        long steps = granules - 1 >>> scale;
        long granule = (granuleLg2 - 10) / 2;
        put(word0 | steps << NUM_SHIFT | (long) scale << SCALE_SHIFT, word1 | granule << TG_SHIFT);
    }

    private void put(long word0, long word1) {
        if (stopped) {
            return;
        }
        long slot = queue + ((long) SmmuQueue.entry(producer, ENTRIES_LG2) << BYTES_LG2);
        PhysicalWords.set(slot, word0);
        PhysicalWords.set(slot + 8, word1);
        producer = SmmuQueue.next(producer, ENTRIES_LG2);
    }

    /** Commands never outlive their batch, so that the queue cannot be full. */
    private void synchronize() {
        assert lock.isHeldByCurrentThread();
        if (stopped) {
            return;
        }
        put(SYNC, 0);
        registers.write(CMDQ_PROD, 4, producer);
        int consumer = (int) registers.read(CMDQ_CONS, 4);
        while (SmmuQueue.index(consumer, ENTRIES_LG2) != producer) {
            skipFailedCommand(consumer);
            Thread.onSpinWait();
            registers.write(CMDQ_PROD, 4, producer);
            consumer = (int) registers.read(CMDQ_CONS, 4);
        }
    }

    /** A refused command is this driver's mistake; the ones behind it must still be carried out. */
    private void skipFailedCommand(int consumer) {
        int errors = (int) registers.read(GERROR, 4);
        int acknowledged = (int) registers.read(GERRORN, 4);
        if (((errors ^ acknowledged) & GERROR_CMDQ_ERR) == 0) {
            return;
        }
        long slot = queue + ((long) SmmuQueue.entry(consumer, ENTRIES_LG2) << BYTES_LG2);
        LOG.error("the SMMU refused command 0x{} 0x{} with error {}; everything is invalidated instead",
                Long.toHexString(PhysicalWords.get(slot)), Long.toHexString(PhysicalWords.get(slot + 8)),
                (consumer & CMDQ_CONS_ERR) >>> CMDQ_CONS_ERR_SHIFT);
        PhysicalWords.set(slot, TLBI_NSNH_ALL);
        PhysicalWords.set(slot + 8, 0);
        registers.write(GERRORN, 4, acknowledged ^ GERROR_CMDQ_ERR);
    }
}
