package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.SmmuQueue;

/** The unit's end of the event queue (IHI 0070, §7.2 and §7.4). Thread-safe. */
final class EventRecorder {
    private static final int UNWRITTEN = 1 << 31;

    private final RegisterFile registers;
    private final GlobalErrors errors;
    private final SmmuBus bus;
    private final int maxEntriesLg2;

    EventRecorder(RegisterFile registers, SmmuBus bus, GlobalErrors errors, int maxEntriesLg2) {
        this.registers = registers;
        this.errors = errors;
        this.bus = bus;
        this.maxEntriesLg2 = maxEntriesLg2;
    }

    /** Writes a record if the queue is writable; a full queue loses it and says so. No lock of the unit is held. */
    void record(long word0, long word1, long word2, long word3) {
        write(word0, word1, word2, word3, true);
    }

    /** Writes the record of a stalled request, which is not lost. No lock of the unit is held. @return whether it was written */
    boolean recordStall(long word0, long word1, long word2, long word3) {
        return write(word0, word1, word2, word3, false);
    }

    private boolean write(long word0, long word1, long word2, long word3, boolean losable) {
        int result;
        synchronized (this) {
            result = append(word0, word1, word2, word3, losable);
        }
        errors.signal(result & ~UNWRITTEN);
        return (result & UNWRITTEN) == 0;
    }

    /** Runs {@code change} while no record is being written. */
    synchronized void reset(Runnable change) {
        change.run();
    }

    /** @return lines to raise, and whether it was not written */
    private int append(long word0, long word1, long word2, long word3, boolean losable) {
        assert Thread.holdsLock(this);
        if ((registers.get32(CR0ACK) & CR0_EVENTQEN) == 0 || errors.active(GERROR_EVENTQ_ABT_ERR)) {
            return UNWRITTEN;
        }
        long base = registers.get64(EVENTQ_BASE);
        int lg2 = Math.min((int) base & QUEUE_LOG2SIZE, maxEntriesLg2);
        int producer = registers.get32(SmmuUnit.internal(EVENTQ_PROD));
        int consumer = registers.get32(SmmuUnit.internal(EVENTQ_CONS));
        if (SmmuQueue.used(producer, consumer, lg2) >= 1 << lg2) {
            if (losable && ((producer ^ consumer) & EVENTQ_OVERFLOW) == 0) {
                registers.put32(SmmuUnit.internal(EVENTQ_PROD), producer ^ EVENTQ_OVERFLOW);
            }
            return UNWRITTEN;
        }
        long table = base & QUEUE_BASE_ADDRESS & -(1L << lg2 + SmmuEvent.BYTES_LG2);
        long address = table + ((long) SmmuQueue.entry(producer, lg2) << SmmuEvent.BYTES_LG2);
        long at = bus.locate(address, SmmuEvent.BYTES);
        if (at < 0) {
            return UNWRITTEN | errors.raise(GERROR_EVENTQ_ABT_ERR);
        }
        PhysicalWords.set(at, word0);
        PhysicalWords.set(at + 8, word1);
        PhysicalWords.set(at + 16, word2);
        PhysicalWords.set(at + 24, word3);
        registers.put32(SmmuUnit.internal(EVENTQ_PROD), SmmuQueue.next(producer, lg2) | producer & EVENTQ_OVERFLOW);
        // Read again: who emptied the queue meanwhile, before it could see this record, must be told of it.
        int consumed = registers.get32(SmmuUnit.internal(EVENTQ_CONS));
        if (!SmmuQueue.empty(producer, consumed, lg2) || (registers.get32(IRQ_CTRLACK) & IRQ_CTRL_EVENTQ) == 0) {
            return 0;
        }
        int lines = GlobalErrors.bit(SmmuInterrupts.Line.EVENT_QUEUE);
        return errors.send(EVENTQ_IRQ_CFG0) ? lines : lines | errors.raise(GERROR_MSI_EVENTQ_ABT_ERR);
    }
}
