package iommu.smmuv3.unit;

import static iommu.smmuv3.format.TranslationDescriptor.*;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.SmmuEvent;
import java.util.Arrays;

/**
 * Stage 1 of one stream or substream: what its context descriptor says, and the walk (Arm ARM DDI 0487, §D8.2; IHI 0070, §5.4).
 * Reused; belongs to one port.
 */
final class StageOne {
    private static final int MIN_TXSZ = 16;
    private static final int MIN_TXSZ_LARGE = 12;
    private static final int MAX_TXSZ = 39;
    private static final int SMALL_OUTPUT_BITS = 48;
    private static final long RETRY = -3L;
    private static final int LEVELS = 5;
    private static final int PAGE_LG2 = 12;
    private static final long PAGE_INSIDE = (1L << PAGE_LG2) - 1;
    private static final int MAX_RETRIES = 1000;
    private static final int SELECT_BIT = 55;
    private static final long WITHOUT_TOP_BYTE = (1L << SELECT_BIT + 1) - 1;

    private final FaultNote note;
    private final SmmuBus bus;
    private final SmmuFeatures features;
    private final DirtyMarkSink dirtyMarks;
    private final int maxOutputBits;
    /** Stage 2 under the tables and the output, when {@link #nested}. */
    private final StageTwo below;
    private final Half low = new Half();
    private final Half high = new Half();
    private int outputBits;
    private int asid;
    private boolean nested;
    private boolean single;
    private boolean accessFlagIgnored;
    private boolean updatesAccessFlag;
    private boolean updatesDirty;
    private boolean writableNeverExecutes;
    private boolean keepsFromUnprivileged;
    private boolean recordsFaults;
    private boolean stallsFaults;
    private boolean abortsFaults;
    private boolean privileged;
    private boolean fetches;
    private boolean inhibitsUpdates;
    /** Where stage 2 has the table of each level that was walked last: pages as stage 1 knows them, and in memory. */
    private final long[] tablePages = new long[LEVELS];
    private final long[] tableMemory = new long[LEVELS];

    /** log2 of the page or block of the last walk. */
    int pageLg2;
    /** Accesses the last walk's leaf grants without another update. */
    int rights;
    /** Whether the last walk's leaf is for every ASID. */
    boolean global;
    /** The last walk's leaf. */
    long leaf;

    StageOne(FaultNote note, SmmuBus bus, SmmuFeatures features, DirtyMarkSink dirtyMarks, StageTwo below) {
        this.note = note;
        this.bus = bus;
        this.features = features;
        this.dirtyMarks = dirtyMarks;
        this.below = below;
        maxOutputBits = features.outputBits();
    }

    /** One of the two translation tables. */
    private final class Half {
        long table;
        int granuleLg2;
        int top;
        int inputBits;
        int maxBlock;
        boolean walks;
        boolean ignoresTopByte;
        boolean flat;
        boolean privilegedOnly;
        /** Descriptors hold bits 51:48 of addresses in their bits 15:12. */
        boolean wide;

        /** @return false if the table is ILLEGAL */
        boolean configure(long ttb, int txsz, int tableGranuleLg2) {
            granuleLg2 = tableGranuleLg2;
            if (!walks) {
                return true;
            }
            table = ttb & ContextDescriptor.TTB;
            boolean large = granuleLg2 == LARGEST_GRANULE_LG2 && features.has(SmmuFeature.LARGE_VA);
            if (!StageTwo.hasGranule(features, granuleLg2) || txsz < (large ? MIN_TXSZ_LARGE : MIN_TXSZ)
                    || txsz > StageTwo.largestTxsz(features, granuleLg2, MAX_TXSZ) || table >>> outputBits != 0
                    || granuleLg2 != LARGEST_GRANULE_LG2 && table >>> SMALL_OUTPUT_BITS != 0) {
                return false;
            }
            wide = granuleLg2 == LARGEST_GRANULE_LG2 && maxOutputBits > SMALL_OUTPUT_BITS;
            maxBlock = maxBlockLevel(granuleLg2, wide);
            inputBits = 64 - txsz;
            int stride = strideLg2(granuleLg2);
            top = (inputBits - granuleLg2 + stride - 1) / stride - 1;
            int topBits = inputBits - granuleLg2 - top * stride;
            table &= -(1L << StageTwo.alignmentLg2(topBits, outputBits));
            return true;
        }
    }

    /**
     * Takes over a valid descriptor.
     *
     * @param stallsDisabled STE.S1STALLD
     * @return false if it is ILLEGAL (§5.4.2)
     */
    boolean configure(long word0, long word1, long word2, boolean nestedTables, Regime regime, boolean stallsDisabled) {
        nested = nestedTables;
        forgetTables();
        single = regime == Regime.EL2;
        outputBits = Math.min(maxOutputBits, ContextDescriptor.addressBits((int) (word0 >>> ContextDescriptor.IPS_SHIFT) & 7));
        low.walks = single || (word0 & ContextDescriptor.EPD0) == 0;
        high.walks = !single && (word0 & ContextDescriptor.EPD1) == 0;
        stallsFaults = (word0 & ContextDescriptor.S) != 0;
        abortsFaults = (word0 & ContextDescriptor.A) != 0;
        asid = (int) (word0 >>> ContextDescriptor.ASID_SHIFT) & 0xffff;
        if ((word0 & ContextDescriptor.AA64) == 0 || stallsFaults && (stallsDisabled || !features.has(SmmuFeature.STALL))
                || !abortsFaults && !features.has(SmmuFeature.TERMINATE_RAZ_WI)
                || (low.walks || high.walks) && (word0 & ContextDescriptor.ENDI) != 0
                || (word0 & ContextDescriptor.HA) != 0 && !features.has(SmmuFeature.HTTU_ACCESS)
                || (word0 & ContextDescriptor.HD) != 0 && !features.has(SmmuFeature.HTTU_DIRTY)
                || !single && asid > 0xff && !features.has(SmmuFeature.ASID16)) {
            return false;
        }
        low.ignoresTopByte = (word0 & ContextDescriptor.TBI0) != 0;
        high.ignoresTopByte = (word0 & ContextDescriptor.TBI1) != 0;
        boolean flattens = features.has(SmmuFeature.HIERARCHICAL_DISABLE);
        low.flat = flattens && (word1 & ContextDescriptor.HAD) != 0;
        high.flat = flattens && (word2 & ContextDescriptor.HAD) != 0;
        boolean protects = !single && features.has(SmmuFeature.UNPRIVILEGED_DISABLE);
        low.privilegedOnly = protects && (word1 & ContextDescriptor.E0PD) != 0;
        high.privilegedOnly = protects && (word2 & ContextDescriptor.E0PD) != 0;
        updatesAccessFlag = (word0 & ContextDescriptor.HA) != 0;
        updatesDirty = updatesAccessFlag && (word0 & ContextDescriptor.HD) != 0;
        accessFlagIgnored = !updatesAccessFlag && (word0 & ContextDescriptor.AFFD) != 0;
        writableNeverExecutes = (word0 & ContextDescriptor.WXN) != 0;
        keepsFromUnprivileged = !single && (word0 & ContextDescriptor.PAN) != 0;
        recordsFaults = (word0 & ContextDescriptor.R) != 0;
        return low.configure(word1, (int) (word0 >>> ContextDescriptor.T0SZ_SHIFT) & 0x3f,
                        ContextDescriptor.granuleLg2((int) (word0 >>> ContextDescriptor.TG0_SHIFT) & 3))
                && high.configure(word2, (int) (word0 >>> ContextDescriptor.T1SZ_SHIFT) & 0x3f,
                        ContextDescriptor.granule1Lg2((int) (word0 >>> ContextDescriptor.TG1_SHIFT) & 3));
    }

    /** What requests are, after the stream's overrides. @param readsFetch whether reads are instruction fetches */
    void attributes(boolean isPrivileged, boolean readsFetch) {
        privileged = isPrivileged;
        fetches = readsFetch;
    }

    /** From now on walks change nothing in memory: as if they had. */
    void inhibitUpdates() {
        inhibitsUpdates = true;
    }

    /** Something was invalidated: where stage 2 has tables is asked anew. */
    void forgetTables() {
        Arrays.fill(tablePages, -1);
    }

    int asid() {
        return asid;
    }

    /** Whether requests that fault stall. */
    boolean stallsFaults() {
        return stallsFaults;
    }

    /** The address that counts: with TBI the top byte is a copy of bit 55 (§3.4.1), or 0 if there is one table. */
    long canonical(long iova) {
        if (!half(iova).ignoresTopByte) {
            return iova;
        }
        return single ? iova & WITHOUT_TOP_BYTE : iova << 63 - SELECT_BIT >> 63 - SELECT_BIT;
    }

    private Half half(long iova) {
        return single || (iova >>> SELECT_BIT & 1) == 0 ? low : high;
    }

    /**
     * Translates one canonical address, updating AF and the dirty state as configured.
     *
     * @return the physical or intermediate address, or {@link FaultNote#REFUSED}
     */
    long walk(long iova, int accessBit) {
        Half half = half(iova);
        for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
            long address = walkOnce(half, iova, accessBit);
            if (address != RETRY) {
                return address;
            }
        }
        return note.walkAbort(false, SmmuEvent.CLASS_TT, half.table);
    }

    private long walkOnce(Half half, long iova, int accessBit) {
        int inputBits = half.inputBits;
        long sign = half == high ? -1L : 0;
        if (!half.walks || (iova ^ sign) >>> inputBits != 0 || half.privilegedOnly && !privileged) {
            return refuse(SmmuEvent.F_TRANSLATION);
        }
        int granuleLg2 = half.granuleLg2;
        int stride = strideLg2(granuleLg2);
        int level = half.top;
        int shift = granuleLg2 + level * stride;
        long at = half.table;
        long remaining = iova & (1L << inputBits) - 1;
        long restrictions = 0;
        for (; ; level--) {
            long slot = at + (remaining >>> shift << 3);
            long located = nested && tablePages[level] == slot >>> PAGE_LG2 ? tableMemory[level] | slot & PAGE_INSIDE : locate(slot, level);
            if (located < 0) {
                return located;
            }
            long entry = PhysicalWords.get(located);
            if ((entry & VALID) == 0) {
                return refuse(SmmuEvent.F_TRANSLATION);
            }
            boolean table = (entry & TABLE_OR_PAGE) != 0;
            if (!table && (level == 0 || level > half.maxBlock)) {
                return refuse(SmmuEvent.F_TRANSLATION);
            }
            long target = address(entry, half.wide);
            if (target >>> outputBits != 0) {
                return refuse(SmmuEvent.F_ADDR_SIZE);
            }
            if (level == 0 || !table) {
                pageLg2 = shift;
                long inside = (1L << shift) - 1;
                long output = target & ~inside | remaining & inside;
                long address = at + (remaining >>> shift << 3);
                return leaf(located, address, entry, half.flat ? 0 : restrictions, accessBit, output);
            }
            restrictions |= entry;
            remaining &= (1L << shift) - 1;
            at = target & -(1L << granuleLg2);
            shift -= stride;
        }
    }

    /** @return where an entry lies in memory, or {@link FaultNote#REFUSED} */
    private long locate(long address, int level) {
        long slot = address;
        if (nested) {
            slot = below.walk(address, READ_BIT, SmmuEvent.CLASS_TT);
            if (slot < 0) {
                return slot;
            }
        }
        long located = bus.locate(slot, 8);
        if (located < 0) {
            return note.walkAbort(false, SmmuEvent.CLASS_TT, slot);
        }
        if (nested) {
            tablePages[level] = address >>> PAGE_LG2;
            tableMemory[level] = located & ~PAGE_INSIDE;
        }
        return located;
    }

    /** @param descriptorAddress of the entry before stage 2 */
    private long leaf(long slot, long descriptorAddress, long entry, long restrictions, int accessBit, long output) {
        long updated = entry;
        if ((entry & AF) == 0 && !accessFlagIgnored) {
            if (!updatesAccessFlag) {
                return refuse(SmmuEvent.F_ACCESS);
            }
            updated |= AF;
        }
        int granted = granted(entry, restrictions);
        if ((granted & accessBit) == 0) {
            return refuse(SmmuEvent.F_PERMISSION);
        }
        if (accessBit == WRITE_BIT && (entry & AP_READ_ONLY) != 0) {
            updated &= ~AP_READ_ONLY;
        }
        if (updated != entry && !inhibitsUpdates) {
            if (nested && below.walk(descriptorAddress, WRITE_BIT, SmmuEvent.CLASS_TT) < 0) {
                return FaultNote.REFUSED;
            }
            if (!PhysicalWords.compareAndSet(slot, entry, updated)) {
                return RETRY;
            }
            if (((updated ^ entry) & AP_READ_ONLY) != 0) {
                dirtyMarks.markDirty(slot);
            }
        }
        global = single || (entry & NOT_GLOBAL) == 0;
        leaf = updated;
        rights = (updated & AP_READ_ONLY) == 0 ? granted : granted & READ_BIT;
        return output;
    }

    /** Accesses of this stream's kind that a leaf allows; a clean leaf counts as writable (Arm ARM, §D8.4). */
    private int granted(long entry, long restrictions) {
        boolean writable = (restrictions & TABLE_READ_ONLY) == 0
                && ((entry & AP_READ_ONLY) == 0 || updatesDirty && (entry & DBM) != 0);
        boolean neverExecutes = ((entry & NEVER_EXECUTE) != 0 || (restrictions & TABLE_NEVER_EXECUTE) != 0);
        if (single) {
            boolean executable = !neverExecutes && !(writableNeverExecutes && writable);
            return rights(!fetches || executable, writable);
        }
        boolean unprivileged = (entry & AP_UNPRIVILEGED) != 0 && (restrictions & TABLE_NO_UNPRIVILEGED) == 0;
        boolean unprivilegedWrites = unprivileged && writable;
        if (!privileged) {
            boolean executable = !neverExecutes && !(writableNeverExecutes && unprivilegedWrites);
            return rights(fetches ? executable : unprivileged, unprivilegedWrites);
        }
        boolean executable = (entry & PRIVILEGED_NEVER_EXECUTE) == 0 && (restrictions & TABLE_PRIVILEGED_NEVER_EXECUTE) == 0
                && !unprivilegedWrites && !(writableNeverExecutes && writable);
        boolean kept = keepsFromUnprivileged && unprivileged;
        return rights(fetches ? executable : !kept, writable && !kept);
    }

    private static int rights(boolean read, boolean write) {
        return (read ? READ_BIT : 0) | (write ? WRITE_BIT : 0);
    }

    private long refuse(SmmuEvent event) {
        return note.stage1(event, recordsFaults, stallsFaults, abortsFaults);
    }
}
