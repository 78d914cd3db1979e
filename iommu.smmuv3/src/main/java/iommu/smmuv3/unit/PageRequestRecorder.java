package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.PageRequestEntry;
import iommu.smmuv3.format.SmmuQueue;
import iommufd.api.dma.Pasid;
import iommufd.api.FaultResponse;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;

/** The unit's end of the page request queue (IHI 0070, chapter 8). Thread-safe; answers devices without its lock. */
final class PageRequestRecorder {
    private static final int SUBSTREAM_GROUPS = 0x1ff;

    private final RegisterFile registers;
    private final SmmuBus bus;
    private final GlobalErrors errors;
    private final TableInspection tables;
    private final SmmuFeatures features;
    private int lines;

    /** How a request ends here. */
    private enum Outcome { WRITTEN, OVERFLOWN, FAILED }

    PageRequestRecorder(RegisterFile registers, SmmuBus bus, GlobalErrors errors, TableInspection tables, SmmuFeatures features) {
        this.registers = registers;
        this.bus = bus;
        this.errors = errors;
        this.tables = tables;
        this.features = features;
    }

    /** Writes a request, or answers it. No lock of the unit is held. @return false if nobody will answer */
    boolean request(int streamId, PageRequest request, AtsPort.Device device) {
        if (!features.has(SmmuFeature.PRI)) {
            return false;
        }
        Outcome outcome;
        int raised;
        synchronized (this) {
            lines = 0;
            outcome = append(streamId, request);
            raised = lines;
        }
        errors.signal(raised);
        switch (outcome) {
            case FAILED -> device.pageFailure(Pasid.NONE, request.groupIndex());
            case OVERFLOWN -> {
                if (request.lastOfGroup()) {
                    answerOverflow(streamId, request, device);
                }
            }
            case WRITTEN -> { }
        }
        return true;
    }

    /** §8.1. */
    private void answerOverflow(int streamId, PageRequest request, AtsPort.Device device) {
        int pasid = features.substreamIdBits() == 0 ? Pasid.NONE : request.pasid();
        if (pasid != Pasid.NONE && !features.has(SmmuFeature.RESPONSE_PASID)) {
            switch (tables.pasidOfResponses(streamId)) {
                case KEPT -> { }
                case DROPPED -> pasid = Pasid.NONE;
                case UNKNOWN -> {
                    device.pageFailure(Pasid.NONE, request.groupIndex());
                    return;
                }
            }
        }
        device.pageResponse(new PageResponse(pasid, request.groupIndex(), FaultResponse.SUCCESS));
    }

    private Outcome append(int streamId, PageRequest request) {
        assert Thread.holdsLock(this);
        int on = CR0_PRIQEN | CR0_SMMUEN;
        if ((registers.get32(CR0ACK) & on) != on || errors.active(GERROR_PRIQ_ABT_ERR)) {
            return Outcome.FAILED;
        }
        long base = registers.get64(PRIQ_BASE);
        int lg2 = Math.min((int) base & QUEUE_LOG2SIZE, features.queueEntriesLg2());
        int producer = registers.get32(SmmuUnit.internal(PRIQ_PROD));
        int consumer = registers.get32(SmmuUnit.internal(PRIQ_CONS));
        boolean lastOnly = (registers.get32(PRIQ_IRQ_CFG0 + IRQ_CFG2) & PRIQ_IRQ_LAST_ONLY) != 0;
        boolean overflown = ((producer ^ consumer) & EVENTQ_OVERFLOW) != 0;
        if (overflown || SmmuQueue.used(producer, consumer, lg2) >= 1 << lg2) {
            if (!overflown) {
                registers.put32(SmmuUnit.internal(PRIQ_PROD), producer ^ EVENTQ_OVERFLOW);
            }
            interrupt(lastOnly && request.lastOfGroup());
            return Outcome.OVERFLOWN;
        }
        long table = base & QUEUE_BASE_ADDRESS & -Math.max(32, 1L << lg2 + PageRequestEntry.BYTES_LG2);
        long at = bus.locate(table + ((long) SmmuQueue.entry(producer, lg2) << PageRequestEntry.BYTES_LG2), PageRequestEntry.BYTES);
        if (at < 0) {
            lines |= errors.raise(GERROR_PRIQ_ABT_ERR);
            return Outcome.FAILED;
        }
        PhysicalWords.set(at, word0(streamId, request));
        PhysicalWords.set(at + 8, request.iova() & PageRequestEntry.ADDRESS | request.groupIndex() & SUBSTREAM_GROUPS);
        registers.put32(SmmuUnit.internal(PRIQ_PROD), SmmuQueue.next(producer, lg2) | producer & EVENTQ_OVERFLOW);
        int consumed = registers.get32(SmmuUnit.internal(PRIQ_CONS));
        interrupt(lastOnly ? request.lastOfGroup() : SmmuQueue.empty(producer, consumed, lg2));
        return Outcome.WRITTEN;
    }

    private static long word0(int streamId, PageRequest request) {
        boolean named = request.pasid() != Pasid.NONE;
        return streamId & PageRequestEntry.STREAM
                | (named ? PageRequestEntry.SUBSTREAM_VALID | (long) request.pasid() << PageRequestEntry.SUBSTREAM_SHIFT : 0)
                | (named && request.privileged() ? PageRequestEntry.PRIVILEGED : 0)
                | (named && request.execute() ? PageRequestEntry.EXECUTE : 0)
                | (request.access().readable() ? PageRequestEntry.READ : 0)
                | (request.access().writable() ? PageRequestEntry.WRITE : 0)
                | (request.lastOfGroup() ? PageRequestEntry.LAST : 0);
    }

    private void interrupt(boolean due) {
        if (!due || (registers.get32(IRQ_CTRLACK) & IRQ_CTRL_PRIQ) == 0) {
            return;
        }
        lines |= GlobalErrors.bit(SmmuInterrupts.Line.PAGE_REQUEST_QUEUE);
        if (!errors.send(PRIQ_IRQ_CFG0)) {
            lines |= errors.raise(GERROR_MSI_PRIQ_ABT_ERR);
        }
    }
}
