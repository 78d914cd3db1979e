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
    private static final int MAX_VMID8 = 0xff;
    private static final int CFG_MASK = 3;

    private final RegisterFile registers;
    private final SmmuBus bus;
    private final SmmuFeatures features;
    private final FaultNote note;
    private final SmmuUnit unit;
    private final int streamId;
    /** Negative for requests without. */
    private final int substreamId;
    /** Address bits of the output, and of intermediate addresses. */
    final int outputBits;
    private boolean silentOutsideOutput;
    private long word0;
    private long word1;
    private int contextsLg2;

    /** Stage 1, if {@link #translatesStage1}. */
    final StageOne stage1;
    /** Stage 2, if {@link #translatesStage2}. */
    final StageTwo stage2;
    /** Whether the rest was loaded and not invalidated since. */
    boolean loaded;
    boolean translatesStage1;
    boolean translatesStage2;
    /** Whose {@link #vmid} and ASID count. */
    Regime regime = Regime.EL1;
    int vmid;
    /** {@link StreamTableEntry#EATS_FULL} and others, as far as they are in force. */
    int ats;
    /** Whether automatic page responses have the request's PASID. */
    boolean respondsWithPasid;
    /** MAIR of the loaded context descriptor. */
    long memoryAttributes;

    StreamConfiguration(SmmuUnit unit, FaultNote note, int streamId, int substreamId) {
        this.unit = unit;
        this.note = note;
        this.streamId = streamId;
        this.substreamId = substreamId;
        registers = unit.registers();
        bus = unit.bus();
        features = unit.features();
        outputBits = features.outputBits();
        stage2 = new StageTwo(note, bus, features, unit.dirtyMarks());
        stage1 = new StageOne(note, bus, features, unit.dirtyMarks(), stage2);
    }

    /** Whether a request past stage 1 to an address that is too large makes no event: the unit is off. */
    boolean silentOutsideOutput() {
        return silentOutsideOutput;
    }

    /** Loads the configuration. @return 0, or {@link FaultNote#REFUSED} with the reason noted */
    long load() {
        forget();
        attributes(false, false);
        if (!unit.enabled()) {
            if ((registers.get32(GBPA) & GBPA_ABORT) != 0) {
                return note.silently();
            }
            silentOutsideOutput = true;
            loaded = true;
            return 0;
        }
        long result = loadEntry();
        if (result < 0) {
            return result;
        }
        if (aborts()) {
            return note.silently();
        }
        override();
        result = loadContext();
        loaded = result == 0;
        return result;
    }

    private void forget() {
        loaded = false;
        translatesStage1 = false;
        translatesStage2 = false;
        regime = Regime.EL1;
        vmid = 0;
        ats = StreamTableEntry.EATS_NONE;
        silentOutsideOutput = false;
    }

    /** Requests have other attributes than they came with, if the entry says so (§3.3.4). */
    void override() {
        boolean counts = features.has(SmmuFeature.PERMISSION_OVERRIDES);
        boolean privileged = counts && (word1 >>> StreamTableEntry.PRIVCFG_SHIFT & CFG_MASK) == StreamTableEntry.OVERRIDE_ON;
        boolean fetches = counts && (word1 >>> StreamTableEntry.INSTCFG_SHIFT & CFG_MASK) == StreamTableEntry.OVERRIDE_ON;
        attributes(privileged, fetches);
    }

    /** What requests are. */
    void attributes(boolean privileged, boolean fetches) {
        note.attributes(privileged, fetches);
        stage1.attributes(privileged, fetches);
        stage2.attributes(privileged, fetches);
    }

    /** Whether the loaded entry aborts requests without an event. */
    boolean aborts() {
        return (StreamTableEntry.config(word0) & StreamTableEntry.CONFIG_PASS_BIT) == 0;
    }

    /** Loads the stream table entry alone: stages, regime, ATS. @return 0, or {@link FaultNote#REFUSED} with the reason noted */
    long loadEntry() {
        long entry = streamTableEntry();
        if (entry < 0) {
            return entry;
        }
        long located = bus.locate(entry, StreamTableEntry.BYTES);
        return located < 0 ? note.fetch(SmmuEvent.F_STE_FETCH, entry) : takeEntry(located);
    }

    /** @return where the entry lies, or {@link FaultNote#REFUSED} */
    private long streamTableEntry() {
        int form = registers.get32(STRTAB_BASE_CFG);
        long base = registers.get64(STRTAB_BASE) & STRTAB_BASE_ADDRESS;
        int log2Size = form & STRTAB_LOG2SIZE;
        long stream = streamId & 0xffff_ffffL;
        if (stream >>> Math.min(log2Size, features.streamIdBits()) != 0) {
            return badStream();
        }
        if ((form & STRTAB_FMT) != STRTAB_FMT_2LEVEL || !features.has(SmmuFeature.STREAM_TABLE_2LEVEL)) {
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

    private long takeEntry(long entry) {
        word0 = PhysicalWords.getAcquire(entry);
        word1 = PhysicalWords.get(entry + 8);
        long word2 = PhysicalWords.get(entry + 16);
        long word3 = PhysicalWords.get(entry + 24);
        int config = StreamTableEntry.config(word0);
        if ((word0 & StreamTableEntry.VALID) == 0) {
            return note.absent(SmmuEvent.C_BAD_STE);
        }
        if (aborts()) {
            return 0;
        }
        translatesStage1 = (config & StreamTableEntry.CONFIG_STAGE1_BIT) != 0;
        translatesStage2 = (config & StreamTableEntry.CONFIG_STAGE2_BIT) != 0;
        if (!takeStages(word2, word3) || !takeAts(word2) || !takeVmid(word2)) {
            return note.configuration(SmmuEvent.C_BAD_STE, true);
        }
        respondsWithPasid = (word1 & StreamTableEntry.PPAR) != 0;
        return 0;
    }

    /** @return false if the entry is ILLEGAL (§5.2.2) */
    private boolean takeStages(long word2, long word3) {
        contextsLg2 = features.substreamIdBits() == 0 ? 0 : (int) (word0 >>> StreamTableEntry.S1CDMAX_SHIFT) & 0x1f;
        boolean stallsDisabled = (word1 & StreamTableEntry.S1STALLD) != 0;
        int world = (int) (word1 >>> StreamTableEntry.STRW_SHIFT) & CFG_MASK;
        boolean choosesWorld = translatesStage1 && !translatesStage2 && features.has(SmmuFeature.HYPERVISOR);
        if (translatesStage1 && (!features.has(SmmuFeature.STAGE1) || stallsDisabled && !features.has(SmmuFeature.STALL)
                || contextsLg2 > features.substreamIdBits() || (word0 & StreamTableEntry.S1_CONTEXT_POINTER) >>> outputBits != 0
                || contextsLg2 > 0 && contextForm() != 0 && !features.has(SmmuFeature.CONTEXT_TABLE_2LEVEL))
                || translatesStage2 && (!features.has(SmmuFeature.STAGE2) || !stage2.configure(word2, word3))
                || choosesWorld && (world & 1) != 0) {
            return false;
        }
        if (choosesWorld && world == StreamTableEntry.STRW_EL2) {
            regime = (registers.get32(CR2) & CR2_E2H) != 0 ? Regime.EL2_E2H : Regime.EL2;
        } else {
            regime = Regime.EL1;
        }
        return true;
    }

    private boolean takeAts(long word2) {
        int field = (int) (word1 >>> StreamTableEntry.EATS_SHIFT) & CFG_MASK;
        ats = StreamTableEntry.EATS_NONE;
        if (!features.has(SmmuFeature.ATS) || !translatesStage1 && !translatesStage2) {
            return true;
        }
        boolean stalls = translatesStage2 && (word2 & StreamTableEntry.S2S) != 0;
        if (field == StreamTableEntry.EATS_FULL) {
            ats = field;
            return !stalls;
        }
        if (field == StreamTableEntry.EATS_SPLIT) {
            ats = (registers.get32(CR0ACK) & CR0_ATSCHK) != 0 ? field : StreamTableEntry.EATS_NONE;
            return features.has(SmmuFeature.SPLIT_ATS) && translatesStage1 && translatesStage2 && !stalls;
        }
        return true;
    }

    private boolean takeVmid(long word2) {
        boolean tagged = features.has(SmmuFeature.STAGE2) && regime == Regime.EL1 && (translatesStage1 || translatesStage2);
        vmid = tagged ? (int) (word2 & StreamTableEntry.S2VMID) : 0;
        return vmid <= MAX_VMID8 || features.has(SmmuFeature.VMID16);
    }

    /** S1Fmt; the reserved value behaves as 0. */
    private int contextForm() {
        int form = (int) (word0 >>> StreamTableEntry.S1FMT_SHIFT) & CFG_MASK;
        return form == CFG_MASK ? 0 : form;
    }

    /** Whether the entry translates in stage 1, for requests that do not pass by it. */
    boolean configuresStage1() {
        return (StreamTableEntry.config(word0) & StreamTableEntry.CONFIG_STAGE1_BIT) != 0;
    }

    /** Loads the context descriptor, if stage 1 translates this port's requests, after {@link #loadEntry}. @return as that */
    long loadContext() {
        boolean s1 = translatesStage1;
        if (substreamId >= 0 && (!s1 || contextsLg2 == 0 || substreamId >>> contextsLg2 != 0)) {
            return note.configuration(SmmuEvent.C_BAD_SUBSTREAMID, true);
        }
        if (!s1) {
            return 0;
        }
        if (contextsLg2 > 0) {
            int unnamed = (int) (word1 & StreamTableEntry.S1DSS);
            if (substreamId < 0 && unnamed == StreamTableEntry.S1DSS_BYPASS) {
                translatesStage1 = false;
                return 0;
            }
            if (substreamId < 0 ? unnamed != StreamTableEntry.S1DSS_SUBSTREAM0
                    : substreamId == 0 && unnamed == StreamTableEntry.S1DSS_SUBSTREAM0) {
                return note.configuration(SmmuEvent.F_STREAM_DISABLED, true);
            }
        }
        long contexts = word0 & StreamTableEntry.S1_CONTEXT_POINTER;
        return takeContext(contexts, contextsLg2 == 0 ? 0 : contextForm(), Math.max(0, substreamId));
    }

    private long takeContext(long contexts, int form, int index) {
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
        long first = PhysicalWords.getAcquire(at);
        if ((first & ContextDescriptor.VALID) == 0) {
            return note.absent(SmmuEvent.C_BAD_CD);
        }
        if (!stage1.configure(first, PhysicalWords.get(at + 8), PhysicalWords.get(at + 16), translatesStage2, regime,
                (word1 & StreamTableEntry.S1STALLD) != 0)) {
            return note.configuration(SmmuEvent.C_BAD_CD, true);
        }
        memoryAttributes = PhysicalWords.get(at + 24);
        return 0;
    }

    /** Where a context structure lies: its address goes through stage 2, if there is one. */
    private long physical(long address) {
        return translatesStage2 ? stage2.walk(address, READ_BIT, SmmuEvent.CLASS_CD) : address;
    }
}
