package iommu.vtd.unit;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PageRequestDescriptor;
import iommu.vtd.format.Registers;
import iommufd.api.hardware.PageRequest;

/** The unit's end of the page request queue (§7.4): it owns the tail, software the head. Guarded by the unit's lock. */
final class PageRequestQueue {
    private final RegisterFile registers;
    private final KnownMemory memory;
    private final EventInterrupt event;

    PageRequestQueue(RegisterFile registers, VtdFeatures features, KnownMemory memory) {
        this.registers = registers;
        this.memory = memory;
        if (!features.has(VtdFeature.PAGE_REQUESTS)) {
            event = EventInterrupt.absent(registers, Registers.PECTL);
            return;
        }
        registers.define64(Registers.PQH, 0, Registers.PAGE_REQUEST_OFFSET, 0);
        registers.define64(Registers.PQT, 0, Registers.PAGE_REQUEST_OFFSET, 0);
        registers.define64(Registers.PQA, 0, HostAddress.PAGE | Registers.QUEUE_SIZE, 0);
        registers.define32(Registers.PRS, 0, 0, Registers.PAGE_REQUEST_PENDING | Registers.PAGE_REQUEST_OVERFLOW);
        event = new EventInterrupt(registers, Registers.PECTL);
    }

    EventInterrupt event() {
        return event;
    }

    /** Writes a request. @return false if it was discarded: the queue is full, or was and software has not said it knows */
    boolean offer(int sourceId, int pasid, PageRequest request) {
        if ((registers.get32(Registers.PRS) & Registers.PAGE_REQUEST_OVERFLOW) != 0) {
            return false;
        }
        long address = registers.get64(Registers.PQA);
        long inside = (4096L << (address & Registers.QUEUE_SIZE)) - 1;
        long tail = registers.get64(Registers.PQT) & inside;
        long next = tail + PageRequestDescriptor.BYTES & inside;
        long slot = memory.locate((address & HostAddress.PAGE) + tail);
        if (next == (registers.get64(Registers.PQH) & inside) || slot < 0) {
            condition(Registers.PAGE_REQUEST_OVERFLOW);
            return false;
        }
        PhysicalWords.set(slot, PageRequestDescriptor.first(sourceId, pasid, request.execute(), request.privileged()));
        PhysicalWords.set(slot + 8, PageRequestDescriptor.second(request.iova(), request.groupIndex(), request.access().readable(),
                request.access().writable(), request.lastOfGroup()));
        PhysicalWords.set(slot + 16, 0);
        PhysicalWords.set(slot + 24, 0);
        registers.put64(Registers.PQT, next);
        condition(Registers.PAGE_REQUEST_PENDING);
        return true;
    }

    private void condition(int bit) {
        int status = registers.get32(Registers.PRS);
        registers.put32(Registers.PRS, status | bit);
        if (status == 0) {
            event.raise();
        }
    }

    /** Software wrote the status. */
    void serviced() {
        if (registers.get32(Registers.PRS) == 0) {
            event.serviced();
        }
    }
}
