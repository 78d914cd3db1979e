package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.hardware.AtsPort.Translation;
import java.util.OptionalLong;

/** One translation request of a device (IHI 0070, §3.9.1.2 and §13.7). Runs inside its port's epoch. */
final class TranslationRequest implements Runnable {
    /** The tables are broken, or gone. */
    static final Translation ABORTED = new Translation(Translation.Status.ABORT, 0, 0, false, false, false);
    private static final Translation UNSUPPORTED = new Translation(Translation.Status.UNSUPPORTED, 0, 0, false, false, false);

    private final SmmuUnit unit;
    private final StreamConfiguration stream;
    private final FaultNote note;
    private final long iova;
    private final DmaAccess access;
    private Translation completion = ABORTED;
    private OptionalLong event = OptionalLong.empty();
    private int pageLg2;
    private int rights;
    private long address;

    TranslationRequest(SmmuUnit unit, StreamConfiguration stream, FaultNote note, long iova, DmaAccess access) {
        this.unit = unit;
        this.stream = stream;
        this.note = note;
        this.iova = iova;
        this.access = access;
    }

    /** What the device is told. */
    Translation completion() {
        return completion;
    }

    /** Second word of the record that is due, if one is; the rest is in the note. */
    OptionalLong event() {
        return event;
    }

    @Override
    public void run() {
        if (!unit.enabled()) {
            refuse();
            return;
        }
        if (stream.loadEntry() < 0) {
            abort();
            return;
        }
        if (stream.aborts()) {
            completion = UNSUPPORTED;
            return;
        }
        if (stream.ats == StreamTableEntry.EATS_NONE) {
            refuse();
            return;
        }
        stream.override();
        if (stream.loadContext() < 0) {
            fail();
            return;
        }
        boolean writes = access.writable();
        boolean granted = writes && translate(WRITE_BIT);
        if (!granted && (!writes || note.event() == SmmuEvent.F_PERMISSION)) {
            granted = translate(READ_BIT);
        }
        if (!granted) {
            fail();
            return;
        }
        long bytes = 1L << pageLg2;
        boolean write = (rights & WRITE_BIT) != 0 && (writes || !stream.translatesStage1 && !stream.translatesStage2);
        completion = new Translation(Translation.Status.SUCCESS, address & -bytes, bytes, (rights & READ_BIT) != 0, write, false);
    }

    private boolean translate(int accessBit) {
        rights = DmaAccess.READ_WRITE.bits();
        pageLg2 = smallestPageLg2();
        address = iova;
        if (stream.translatesStage1) {
            address = stream.stage1.walk(stream.stage1.canonical(iova), accessBit);
            if (address < 0) {
                return false;
            }
            pageLg2 = stream.stage1.pageLg2;
            rights = stream.stage1.rights;
        } else if (iova >>> stream.outputBits != 0) {
            note.stage1(SmmuEvent.F_ADDR_SIZE, false, false, true);
            return false;
        }
        if (stream.translatesStage2) {
            long output = stream.stage2.walk(address, accessBit, SmmuEvent.CLASS_IN);
            if (output < 0) {
                return false;
            }
            pageLg2 = stream.translatesStage1 ? Math.min(pageLg2, stream.stage2.pageLg2) : stream.stage2.pageLg2;
            rights &= stream.stage2.rights;
            if (stream.ats != StreamTableEntry.EATS_SPLIT) {
                address = output;
            }
        }
        return true;
    }

    private int smallestPageLg2() {
        SmmuFeatures features = unit.features();
        return features.has(SmmuFeature.GRANULE_4K) ? 12 : features.has(SmmuFeature.GRANULE_16K) ? 14 : 16;
    }

    /** Not for this stream: an event tells software, because no other sign does. */
    private void refuse() {
        note.configuration(SmmuEvent.F_BAD_ATS_TREQ, true);
        event = OptionalLong.of(0);
        completion = UNSUPPORTED;
    }

    private void fail() {
        switch (note.event()) {
            case F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION ->
                    completion = new Translation(Translation.Status.SUCCESS, 0, 1L << smallestPageLg2(), false, false, false);
            default -> abort();
        }
    }

    private void abort() {
        completion = ABORTED;
        if (note.recorded() && (unit.registers().get32(CR2) & CR2_REC_CFG_ATS) != 0) {
            event = OptionalLong.of(note.word1(true));
        }
    }
}
