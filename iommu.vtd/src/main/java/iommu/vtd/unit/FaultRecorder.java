package iommu.vtd.unit;

import iommu.common.unit.RegisterFile;
import iommu.vtd.format.FaultRecord;
import iommu.vtd.format.Registers;

/** Primary fault logging (§7.2.1) and the conditions of the fault event (§7.3). Guarded by the unit's lock. */
final class FaultRecorder {
    private static final int HIGH = 8;
    private static final int INDEX_SHIFT = 48;
    /** The double-word of a record that holds its F bit. */
    private static final int LAST_DWORD = 12;

    private final RegisterFile registers;
    private final EventInterrupt event;
    private final int count;
    private final long addressMask;
    private int next;

    FaultRecorder(RegisterFile registers, VtdFeatures features) {
        this.registers = registers;
        count = features.faultRecords();
        addressMask = FaultRecord.ADDRESS & (1L << features.addressBits()) - 1;
        registers.define32(Registers.FSTS, 0, 0, Registers.FAULT_OVERFLOW | Registers.FAULT_QUEUE_ERROR
                | Registers.FAULT_COMPLETION_ERROR | Registers.FAULT_TIMEOUT);
        for (int i = 0; i < count; i++) {
            registers.define64(offset(i) + HIGH, 0, 0, FaultRecord.FAULT);
        }
        event = new EventInterrupt(registers, Registers.FECTL);
    }

    EventInterrupt event() {
        return event;
    }

    /** Records a fault, or its loss. */
    void record(long iova, int sourceId, int pasid, long attributes, int reason) {
        store(iova & addressMask, FaultRecord.high(sourceId, pasid, attributes, reason));
    }

    /** Records a blocked interrupt: its index is where others have an address. */
    void recordInterrupt(int sourceId, int index, int reason) {
        store((long) index << INDEX_SHIFT, FaultRecord.high(sourceId, -1, 0, reason));
    }

    private void store(long low, long high) {
        int status = registers.get32(Registers.FSTS);
        if ((status & Registers.FAULT_OVERFLOW) != 0) {
            return;
        }
        int record = offset(next);
        if ((registers.get64(record + HIGH) & FaultRecord.FAULT) != 0) {
            registers.put32(Registers.FSTS, status | Registers.FAULT_OVERFLOW);
            return;
        }
        registers.put64(record, low);
        registers.put64(record + HIGH, high);
        int index = next;
        next = (next + 1) % count;
        if ((status & Registers.FAULT_PENDING) == 0) {
            registers.put32(Registers.FSTS, status & ~(0xFF << Registers.FAULT_INDEX_SHIFT)
                    | index << Registers.FAULT_INDEX_SHIFT);
            condition(Registers.FAULT_PENDING);
        }
    }

    /** A condition of the fault event arises. */
    void condition(int bit) {
        int status = registers.get32(Registers.FSTS);
        registers.put32(Registers.FSTS, status | bit);
        if ((status & Registers.FAULT_CONDITIONS) == 0) {
            event.raise();
        }
    }

    /** Whether a write to this double-word may have cleared an F bit. */
    boolean isFaultBit(int offset) {
        int inside = offset - offset(0);
        return inside >= 0 && inside < count * FaultRecord.BYTES && inside % FaultRecord.BYTES == LAST_DWORD;
    }

    /** Software cleared F bits or bits of the fault status. */
    void cleared() {
        boolean pending = false;
        for (int i = 0; i < count; i++) {
            pending |= (registers.get64(offset(i) + HIGH) & FaultRecord.FAULT) != 0;
        }
        int status = registers.get32(Registers.FSTS) & ~Registers.FAULT_PENDING | (pending ? Registers.FAULT_PENDING : 0);
        registers.put32(Registers.FSTS, status);
        if ((status & Registers.FAULT_CONDITIONS) == 0) {
            event.serviced();
        }
    }

    /** Recording starts over at the first register. */
    void restart() {
        next = 0;
    }

    private static int offset(int index) {
        return VtdFeatures.FAULT_OFFSET + index * FaultRecord.BYTES;
    }
}
