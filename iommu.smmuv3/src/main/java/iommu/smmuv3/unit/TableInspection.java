package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.dma.FarPath;
import iommu.common.dma.TranslatingPort;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;

/**
 * Walks of the unit's own, which no device's request causes: it caches nothing, but invalidations wait for it as for any port.
 * Thread-safe.
 */
final class TableInspection extends TranslatingPort {
    private final SmmuUnit unit;

    /** Whether automatic page responses have the request's PASID. */
    enum ResponsePasid { KEPT, DROPPED, UNKNOWN }

    TableInspection(SmmuUnit unit) {
        super(unit.log(), new FarPath());
        this.unit = unit;
    }

    /** Runs {@code work} while what it reads cannot be taken away. @return false if memory went away */
    synchronized boolean look(Runnable work) {
        return inside(work);
    }

    /** STE.PPAR of a stream, and the event that it cannot be read, if that is to be recorded. */
    ResponsePasid pasidOfResponses(int streamId) {
        FaultNote note = new FaultNote(Pasid.NONE);
        StreamConfiguration stream = new StreamConfiguration(unit, note, streamId, Pasid.NONE);
        boolean[] valid = new boolean[1];
        look(() -> valid[0] = unit.enabled() && stream.loadEntry() == 0);
        if (valid[0]) {
            return stream.respondsWithPasid ? ResponsePasid.KEPT : ResponsePasid.DROPPED;
        }
        if (note.eventful() && note.recorded() && (unit.registers().get32(CR2) & CR2_REC_CFG_ATS) != 0) {
            unit.events().record(note.word0(streamId), note.word1(false), note.word2(0), note.word3());
        }
        return ResponsePasid.UNKNOWN;
    }

    @Override
    protected long walk(long iova, int accessBit) {
        throw new IllegalStateException("the unit moves no bytes of its own");
    }

    @Override
    protected DmaFault fault(long iova, int accessBit) {
        throw new IllegalStateException("the unit moves no bytes of its own");
    }

    @Override
    protected DmaFault abort(long iova, int accessBit) {
        throw new IllegalStateException("the unit moves no bytes of its own");
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        // nothing is remembered
    }

    @Override
    protected void forgetEverything() {
        // nothing is remembered
    }
}
