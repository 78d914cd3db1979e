package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommufd.api.DmaAccess.READ_BIT;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;

/**
 * One port's copy of its stream's configuration: the walk from the stream table to the context descriptor (IHI 0070, §3.3),
 * and what it found. Reused; belongs to one port.
 */
final class StreamConfiguration {
    private static final int L1_BYTES_LG2 = 3;

    private final SmmuUnit unit;
    private final RegisterFile registers;
    private final SmmuBus bus;
    private final FaultNote note;
    private final int streamId;
    /** Negative for requests without. */
    private final int substreamId;
    /** Address bits of the output, and of intermediate addresses. */
    final int outputBits;
    private boolean silentOutsideOutput;

    /** Stage 1, if {@link #translatesStage1}. */
    final StageOne stage1;
    /** Stage 2, if {@link #translatesStage2}. */
    final StageTwo stage2;
    /** Whether the rest was loaded and not invalidated since. */
    boolean loaded;
    boolean translatesStage1;
    boolean translatesStage2;
    int vmid;

    StreamConfiguration(SmmuUnit unit, FaultNote note, int streamId, int substreamId) {
        this.unit = unit;
        this.note = note;
        this.streamId = streamId;
        this.substreamId = substreamId;
        registers = unit.registers();
        outputBits = unit.features().outputBits();
        bus = unit.bus();
        stage2 = new StageTwo(note, bus, unit.dirtyMarks());
        stage1 = new StageOne(note, bus, unit.dirtyMarks(), stage2);
    }

    /** Whether a request past stage 1 to an address that is too large makes no event: the unit is off. */
    boolean silentOutsideOutput() {
        return silentOutsideOutput;
    }

    /** Loads the configuration. @return 0, or {@link FaultNote#REFUSED} with the reason noted */
    long load() {
        translatesStage1 = false;
        translatesStage2 = false;
        vmid = 0;
        silentOutsideOutput = false;
        if (!unit.enabled()) {
            if ((registers.get32(GBPA) & GBPA_ABORT) != 0) {
                return note.silently();
            }
            silentOutsideOutput = true;
            loaded = true;
            return 0;
        }
        long entry = streamTableEntry();
        if (entry < 0) {
            return entry;
        }
        long located = bus.locate(entry, StreamTableEntry.BYTES);
        return located < 0 ? note.fetch(SmmuEvent.F_STE_FETCH, entry) : loadEntry(located);
    }

    /** @return where the entry lies, or {@link FaultNote#REFUSED} */
    private long streamTableEntry() {
        int form = registers.get32(STRTAB_BASE_CFG);
        long base = registers.get64(STRTAB_BASE) & STRTAB_BASE_ADDRESS;
        int log2Size = form & STRTAB_LOG2SIZE;
        long stream = streamId & 0xffff_ffffL;
        if (stream >>> Math.min(log2Size, unit.features().streamIdBits()) != 0) {
            return badStream();
        }
        if ((form & STRTAB_FMT) != STRTAB_FMT_2LEVEL) {
            return (base & -(1L << Math.min(log2Size, 40) + StreamTableEntry.BYTES_LG2))
                    + (stream << StreamTableEntry.BYTES_LG2);
        }
        int split = split(form >>> STRTAB_SPLIT_SHIFT & 0x1f);
        long table = base & -(1L << Math.max(6, log2Size - split + L1_BYTES_LG2));
        long slot = table + (stream >>> split << L1_BYTES_LG2);
        long located = bus.locate(slot, 1 << L1_BYTES_LG2);
        if (located < 0) {
            return note.fetch(SmmuEvent.F_STE_FETCH, slot);
        }
        long descriptor = PhysicalWords.get(located);
        int span = (int) (descriptor & StreamTableEntry.L1_SPAN);
        long index = stream & (1L << split) - 1;
        if (span == 0 || span > split + 1 || index >>> span - 1 != 0) {
            return badStream();
        }
        long leaf = descriptor & StreamTableEntry.L1_POINTER & -(1L << span - 1 + StreamTableEntry.BYTES_LG2);
        return leaf + (index << StreamTableEntry.BYTES_LG2);
    }

    /** Other values than 6, 8 and 10 behave as 6 (§6.3.25). */
    private static int split(int field) {
        return field == 8 || field == 10 ? field : 6;
    }

    private long badStream() {
        boolean recorded = (registers.get32(CR2) & CR2_RECINVSID) != 0;
        return note.configuration(SmmuEvent.C_BAD_STREAMID, recorded);
    }

    private long loadEntry(long entry) {
        long word0 = PhysicalWords.getAcquire(entry);
        long word1 = PhysicalWords.get(entry + 8);
        long word2 = PhysicalWords.get(entry + 16);
        long word3 = PhysicalWords.get(entry + 24);
        int config = StreamTableEntry.config(word0);
        if ((word0 & StreamTableEntry.VALID) == 0) {
            return note.absent(SmmuEvent.C_BAD_STE);
        }
        if ((config & StreamTableEntry.CONFIG_PASS_BIT) == 0) {
            return note.silently();
        }
        boolean s1 = (config & StreamTableEntry.CONFIG_STAGE1_BIT) != 0;
        translatesStage2 = (config & StreamTableEntry.CONFIG_STAGE2_BIT) != 0;
        int contextsLg2 = (int) (word0 >>> StreamTableEntry.S1CDMAX_SHIFT) & 0x1f;
        long contexts = word0 & StreamTableEntry.S1_CONTEXT_POINTER;
        if (s1 && !unit.features().has(SmmuFeature.STAGE1) || translatesStage2 && !unit.features().has(SmmuFeature.STAGE2)) {
            return note.configuration(SmmuEvent.C_BAD_STE, true);
        }
        if (s1 && ((word1 & StreamTableEntry.S1STALLD) != 0 || contextsLg2 > unit.features().substreamIdBits()
                || contexts >>> outputBits != 0)
                || translatesStage2 && !stage2.configure(word2, word3, outputBits)) {
            return note.configuration(SmmuEvent.C_BAD_STE, true);
        }
        vmid = (int) (word2 & StreamTableEntry.S2VMID);
        if (substreamId >= 0 && (!s1 || contextsLg2 == 0 || substreamId >>> contextsLg2 != 0)) {
            return note.configuration(SmmuEvent.C_BAD_SUBSTREAMID, true);
        }
        int context = Math.max(0, substreamId);
        if (s1 && contextsLg2 > 0) {
            int unnamed = (int) (word1 & StreamTableEntry.S1DSS);
            if (substreamId < 0 && unnamed == StreamTableEntry.S1DSS_BYPASS) {
                s1 = false;
            } else if (substreamId < 0 ? unnamed != StreamTableEntry.S1DSS_SUBSTREAM0
                    : substreamId == 0 && unnamed == StreamTableEntry.S1DSS_SUBSTREAM0) {
                return note.configuration(SmmuEvent.F_STREAM_DISABLED, true);
            }
        }
        if (s1) {
            int form = contextsLg2 == 0 ? 0 : (int) (word0 >>> StreamTableEntry.S1FMT_SHIFT) & 3;
            long result = loadContext(contexts, form, context);
            if (result < 0) {
                return result;
            }
        }
        translatesStage1 = s1;
        loaded = true;
        return 0;
    }

    private long loadContext(long contexts, int form, int index) {
        long address = contexts + ((long) index << ContextDescriptor.BYTES_LG2);
        if (form == StreamTableEntry.S1FMT_2LEVEL_4K || form == StreamTableEntry.S1FMT_2LEVEL_64K) {
            int leafLg2 = form == StreamTableEntry.S1FMT_2LEVEL_4K ? ContextDescriptor.LEAF_4K_LG2
                    : ContextDescriptor.LEAF_64K_LG2;
            long slot = physical(contexts + ((long) index >>> leafLg2 << L1_BYTES_LG2));
            if (slot < 0) {
                return slot;
            }
            long located = bus.locate(slot, 1 << L1_BYTES_LG2);
            if (located < 0) {
                return note.fetch(SmmuEvent.F_CD_FETCH, slot);
            }
            long descriptor = PhysicalWords.getAcquire(located);
            long leaf = descriptor & ContextDescriptor.L1_POINTER & -(1L << leafLg2 + ContextDescriptor.BYTES_LG2);
            if ((descriptor & ContextDescriptor.L1_VALID) == 0 || leaf >>> outputBits != 0) {
                return note.configuration(SmmuEvent.C_BAD_SUBSTREAMID, true);
            }
            address = leaf + ((index & (1L << leafLg2) - 1) << ContextDescriptor.BYTES_LG2);
        }
        long fetched = physical(address);
        if (fetched < 0) {
            return fetched;
        }
        long at = bus.locate(fetched, ContextDescriptor.BYTES);
        if (at < 0) {
            return note.fetch(SmmuEvent.F_CD_FETCH, fetched);
        }
        long word0 = PhysicalWords.getAcquire(at);
        if ((word0 & ContextDescriptor.VALID) == 0) {
            return note.absent(SmmuEvent.C_BAD_CD);
        }
        if (!stage1.configure(word0, PhysicalWords.get(at + 8), PhysicalWords.get(at + 16),
                translatesStage2, outputBits)) {
            return note.configuration(SmmuEvent.C_BAD_CD, true);
        }
        return 0;
    }

    /** Where a context structure lies: its address goes through stage 2, if there is one. */
    private long physical(long address) {
        return translatesStage2 ? stage2.walk(address, READ_BIT, SmmuEvent.CLASS_CD) : address;
    }
}
