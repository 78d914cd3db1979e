package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.dma.Pasid;

/** The address translation registers (ATOS; IHI 0070, chapter 9). Guarded by the unit's lock. */
final class AddressTranslation {
    private static final int STAGE1 = 1;
    private static final int STAGE2 = 2;
    private static final int BOTH = 3;
    private static final int TYPE_SHIFT = 10;
    private static final long PRIVILEGED = 1L << 9;
    private static final long READ = 1L << 8;
    private static final long INSTRUCTION = 1L << 7;
    private static final long INHIBIT_UPDATES = 1L << 6;
    private static final int INVALID_REQUEST = 0xff;
    private static final int INVALID_STAGE = 0xfe;
    private static final int INTERNAL_ERROR = 0xfd;
    private static final long PAGE_MASK = ~0xfffL;
    private static final long ADDRESS = 0x00FF_FFFF_FFFF_F000L;
    private static final int SMALLEST_PAGE_LG2 = 12;

    private final SmmuUnit unit;
    private final RegisterFile registers;
    private final TableInspection tables;

    AddressTranslation(SmmuUnit unit, TableInspection tables) {
        this.unit = unit;
        registers = unit.registers();
        this.tables = tables;
    }

    /** Software set RUN: the result is there on return. */
    void run() {
        long[] result = {failure(INTERNAL_ERROR, 0, 0)};
        tables.look(() -> result[0] = translate());
        registers.put64(GATOS_PAR, result[0]);
    }

    private static long failure(int code, int reason, long address) {
        return address & ADDRESS | (long) code << 4 | (long) reason << 1 | 1;
    }

    private long translate() {
        SmmuFeatures features = unit.features();
        long who = registers.get64(GATOS_SID);
        long what = registers.get64(GATOS_ADDR);
        boolean named = (who & GATOS_SID_SSV) != 0;
        int type = (int) (what >>> TYPE_SHIFT) & 3;
        boolean possible = switch (type) {
            case STAGE1 -> features.has(SmmuFeature.STAGE1);
            case STAGE2 -> features.has(SmmuFeature.STAGE2) && !named;
            case BOTH -> features.has(SmmuFeature.STAGE1) && features.has(SmmuFeature.STAGE2);
            default -> false;
        };
        if (!possible) {
            return failure(INVALID_REQUEST, 0, 0);
        }
        int substream = named ? (int) (who >>> 32) & 0xf_ffff : Pasid.NONE;
        FaultNote note = new FaultNote(substream);
        StreamConfiguration stream = new StreamConfiguration(unit, note, (int) who, substream);
        if (stream.loadEntry() < 0) {
            return failure(note.event().number(), 0, 0);
        }
        boolean suits = !stream.aborts() && switch (type) {
            case STAGE1 -> stream.translatesStage1;
            case STAGE2 -> stream.translatesStage2;
            default -> stream.translatesStage1 && stream.translatesStage2;
        };
        if (!suits) {
            return failure(INVALID_STAGE, 0, 0);
        }
        boolean read = (what & READ) != 0;
        stream.attributes((what & PRIVILEGED) != 0, read && (what & INSTRUCTION) != 0);
        if ((what & INHIBIT_UPDATES) != 0) {
            stream.stage1.inhibitUpdates();
            stream.stage2.inhibitUpdates();
        }
        int accessBit = read ? READ_BIT : WRITE_BIT;
        if (type == STAGE2) {
            return stage2(stream, note, what & PAGE_MASK, accessBit);
        }
        return stage1(stream, note, what & PAGE_MASK, accessBit, type == BOTH);
    }

    private long stage2(StreamConfiguration stream, FaultNote note, long ipa, int accessBit) {
        if (ipa >>> stream.outputBits != 0) {
            return failure(SmmuEvent.F_ADDR_SIZE.number(), 0, 0);
        }
        long output = stream.stage2.walk(ipa, accessBit, SmmuEvent.CLASS_IN);
        return output < 0 ? failure(note.event().number(), 3, 0)
                : success(output, stream.stage2.pageLg2, MemoryAttributes.ofStage2(stream.stage2.leaf));
    }

    private long stage1(StreamConfiguration stream, FaultNote note, long address, int accessBit, boolean both) {
        boolean nested = stream.translatesStage2;
        if (stream.loadContext() < 0) {
            return stage1Failure(note, nested && !both, SmmuEvent.F_CD_FETCH);
        }
        long output = address;
        int pageLg2 = SMALLEST_PAGE_LG2;
        MemoryAttributes attributes = MemoryAttributes.NORMAL;
        boolean first = stream.translatesStage1;   // unless the stream's requests without SubstreamID pass by it
        if (first) {
            output = stream.stage1.walk(stream.stage1.canonical(address), accessBit);
            if (output < 0) {
                return stage1Failure(note, nested && !both, SmmuEvent.F_WALK_EABT);
            }
            pageLg2 = stream.stage1.pageLg2;
            attributes = MemoryAttributes.ofStage1(stream.stage1.leaf, stream.memoryAttributes);
        } else if (address >>> stream.outputBits != 0) {
            return failure(SmmuEvent.F_ADDR_SIZE.number(), 0, 0);
        }
        if (both) {
            output = stream.stage2.walk(output, accessBit, SmmuEvent.CLASS_IN);
            if (output < 0) {
                return stage1Failure(note, false, SmmuEvent.F_WALK_EABT);
            }
            MemoryAttributes second = MemoryAttributes.ofStage2(stream.stage2.leaf);
            attributes = first ? attributes.combine(second) : second;
            pageLg2 = first ? Math.min(pageLg2, stream.stage2.pageLg2) : stream.stage2.pageLg2;
        }
        return success(output, pageLg2, attributes);
    }

    /** @param hidden whether who asks for stage 1 alone must not learn of stage 2, whose faults are then as {@code instead} */
    private static long stage1Failure(FaultNote note, boolean hidden, SmmuEvent instead) {
        if (!note.ofStage2()) {
            return failure(note.event().number(), 0, 0);
        }
        if (hidden) {
            return failure(instead.number(), 0, 0);
        }
        boolean aborted = note.event() == SmmuEvent.F_WALK_EABT;
        return failure(note.event().number(), note.eventClass() + 1, aborted ? 0 : note.word3());
    }

    private static long success(long output, int pageLg2, MemoryAttributes attributes) {
        long size = pageLg2 == SMALLEST_PAGE_LG2 ? 0 : 1L << pageLg2 - 1 | 1 << 11;
        return (long) attributes.mair() << 56 | output & ADDRESS & -(1L << pageLg2) | size | (long) attributes.shareability() << 8;
    }
}
