package iommu.smmuv3.unit;

import static iommu.smmuv3.format.TranslationDescriptor.*;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;

/**
 * Stage 2 of one stream: what its stream table entry says, and the walk (Arm ARM DDI 0487, §D8.2; IHI 0070, §5.2). Reused;
 * belongs to one port.
 */
final class StageTwo {
    private static final int MIN_T0SZ = 16;
    private static final int MIN_T0SZ_LARGE = 12;
    private static final int MAX_T0SZ = 39;
    private static final int SMALL_OUTPUT_BITS = 48;
    private static final int LARGE_OUTPUT_BITS = 52;
    private static final int SMALLEST_ALIGNMENT_LG2 = 6;
    private static final int CONCATENATION_LG2 = 4;
    private static final long RETRY = -3L;
    /** Descriptors change under a walk only by other agents' updates; so many in a row are no accident. */
    private static final int MAX_RETRIES = 1000;

    private final FaultNote note;
    private final SmmuBus bus;
    private final SmmuFeatures features;
    private final DirtyMarkSink dirtyMarks;
    private final int maxOutputBits;
    private long table;
    private int granuleLg2;
    private int top;
    private int inputBits;
    private int outputBits;
    private int maxBlock;
    private boolean wide;
    private boolean accessFlagIgnored;
    private boolean updatesAccessFlag;
    private boolean updatesDirty;
    private boolean protectsTableWalks;
    private boolean recordsFaults;
    private boolean stallsFaults;
    private boolean privileged;
    private boolean fetches;
    private boolean inhibitsUpdates;

    /** log2 of the page or block of the last walk. */
    int pageLg2;
    /** Accesses the last walk's leaf grants without another update. */
    int rights;
    /** The last walk's leaf. */
    long leaf;

    StageTwo(FaultNote note, SmmuBus bus, SmmuFeatures features, DirtyMarkSink dirtyMarks) {
        this.note = note;
        this.bus = bus;
        this.features = features;
        this.dirtyMarks = dirtyMarks;
        maxOutputBits = features.outputBits();
    }

    /** Whether the unit walks tables of a granule. */
    static boolean hasGranule(SmmuFeatures features, int granuleLg2) {
        return switch (granuleLg2) {
            case 12 -> features.has(SmmuFeature.GRANULE_4K);
            case 14 -> features.has(SmmuFeature.GRANULE_16K);
            case LARGEST_GRANULE_LG2 -> features.has(SmmuFeature.GRANULE_64K);
            default -> false;
        };
    }

    /** The largest legal TxSZ. */
    static int largestTxsz(SmmuFeatures features, int granuleLg2, int usual) {
        if (!features.has(SmmuFeature.SMALL_TABLES)) {
            return usual;
        }
        return granuleLg2 == LARGEST_GRANULE_LG2 ? 47 : 48;
    }

    /** log2 of a starting table's alignment: its size, and 64 bytes with 52-bit outputs. */
    static int alignmentLg2(int topBits, int outputBits) {
        return Math.max(topBits + 3, outputBits == LARGE_OUTPUT_BITS ? SMALLEST_ALIGNMENT_LG2 : 4);
    }

    /** Takes over an entry's words 2 and 3. @return false if they are ILLEGAL (§5.2.2) */
    boolean configure(long word2, long word3) {
        int t0sz = (int) (word2 >>> StreamTableEntry.S2T0SZ_SHIFT) & 0x3f;
        int startLevel = (int) (word2 >>> StreamTableEntry.S2SL0_SHIFT) & 3;
        granuleLg2 = ContextDescriptor.granuleLg2((int) (word2 >>> StreamTableEntry.S2TG_SHIFT) & 3);
        outputBits = Math.min(maxOutputBits, ContextDescriptor.addressBits((int) (word2 >>> StreamTableEntry.S2PS_SHIFT) & 7));
        table = word3 & StreamTableEntry.S2TTB;
        stallsFaults = (word2 & StreamTableEntry.S2S) != 0;
        if ((word2 & StreamTableEntry.S2AA64) == 0 || (word2 & StreamTableEntry.S2ENDI) != 0
                || stallsFaults && !features.has(SmmuFeature.STALL) || !hasGranule(features, granuleLg2)) {
            return false;
        }
        boolean large = granuleLg2 == LARGEST_GRANULE_LG2;
        int smallest = Math.max(large ? MIN_T0SZ_LARGE : MIN_T0SZ, 64 - maxOutputBits);
        if (t0sz < smallest || t0sz > largestTxsz(features, granuleLg2, MAX_T0SZ)
                || table >>> outputBits != 0 || !large && table >>> SMALL_OUTPUT_BITS != 0
                || (word2 & StreamTableEntry.S2HA) != 0 && !features.has(SmmuFeature.HTTU_ACCESS)
                || (word2 & StreamTableEntry.S2HD) != 0 && !features.has(SmmuFeature.HTTU_DIRTY)) {
            return false;
        }
        inputBits = 64 - t0sz;
        top = topLevel(startLevel);
        int topBits = inputBits - granuleLg2 - top * strideLg2(granuleLg2);
        if (top < 0 || topBits < 1 || topBits > strideLg2(granuleLg2) + CONCATENATION_LG2) {
            return false;
        }
        wide = large && maxOutputBits > SMALL_OUTPUT_BITS;
        maxBlock = maxBlockLevel(granuleLg2, wide);
        table &= -(1L << alignmentLg2(topBits, outputBits));
        updatesAccessFlag = (word2 & StreamTableEntry.S2HA) != 0;
        updatesDirty = updatesAccessFlag && (word2 & StreamTableEntry.S2HD) != 0;
        accessFlagIgnored = !updatesAccessFlag && (word2 & StreamTableEntry.S2AFFD) != 0;
        protectsTableWalks = (word2 & StreamTableEntry.S2PTW) != 0;
        recordsFaults = (word2 & StreamTableEntry.S2R) != 0;
        return true;
    }

    /**
     * SL0 counts from level 2 with 4K, from level 3 with 16K and 64K; 3 is level 3 of small 4K tables, else reserved. The highest
     * start needs outputs that large (Arm ARM, AArch64.S2InvalidSL).
     *
     * @return the level counted from the pages, or negative if it is reserved
     */
    private int topLevel(int startLevel) {
        if (startLevel == 3) {
            return granuleLg2 == 12 && features.has(SmmuFeature.SMALL_TABLES) ? 0 : -1;
        }
        if (startLevel == 2 && maxOutputBits < (granuleLg2 == 14 ? 42 : 44)) {
            return -1;
        }
        return granuleLg2 == 12 ? startLevel + 1 : startLevel;
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

    /**
     * Translates one intermediate address, updating AF and the dirty state as configured.
     *
     * @param accessBit what is to be done there
     * @param eventClass what for, as event records say it
     * @return the physical address, or {@link FaultNote#REFUSED}
     */
    long walk(long ipa, int accessBit, int eventClass) {
        for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
            long physicalAddress = walkOnce(ipa, accessBit, eventClass);
            if (physicalAddress != RETRY) {
                return physicalAddress;
            }
        }
        return note.walkAbort(true, eventClass, table);
    }

    private long walkOnce(long ipa, int accessBit, int eventClass) {
        if (ipa >>> inputBits != 0) {
            return refuse(SmmuEvent.F_TRANSLATION, accessBit, eventClass, ipa);
        }
        long at = table;
        long remaining = ipa;
        int shift = granuleLg2 + top * strideLg2(granuleLg2);
        for (int level = top; ; level--) {
            long slot = at + (remaining >>> shift << 3);
            long located = bus.locate(slot, 8);
            if (located < 0) {
                return note.walkAbort(true, eventClass, slot);
            }
            long entry = PhysicalWords.get(located);
            if ((entry & VALID) == 0) {
                return refuse(SmmuEvent.F_TRANSLATION, accessBit, eventClass, ipa);
            }
            remaining &= (1L << shift) - 1;
            boolean table = (entry & TABLE_OR_PAGE) != 0;
            if (level == 0 ? !table : !table && level > maxBlock) {
                return refuse(SmmuEvent.F_TRANSLATION, accessBit, eventClass, ipa);
            }
            long target = address(entry, wide);
            if (target >>> outputBits != 0) {
                return refuse(SmmuEvent.F_ADDR_SIZE, accessBit, eventClass, ipa);
            }
            if (level == 0 || !table) {
                pageLg2 = shift;
                return leaf(located, entry, ipa, accessBit, eventClass, target & -(1L << shift) | remaining);
            }
            at = target & -(1L << granuleLg2);
            shift -= strideLg2(granuleLg2);
        }
    }

    private long leaf(long slot, long entry, long ipa, int accessBit, int eventClass, long physicalAddress) {
        long updated = entry;
        if ((entry & AF) == 0 && !accessFlagIgnored) {
            if (!updatesAccessFlag) {
                return refuse(SmmuEvent.F_ACCESS, accessBit, eventClass, ipa);
            }
            updated |= AF;
        }
        boolean readable = fetches && eventClass == SmmuEvent.CLASS_IN ? executable(entry) : (entry & S2AP_READ) != 0;
        if (accessBit == READ_BIT ? !readable : (entry & S2AP_WRITE) == 0) {
            if (accessBit == READ_BIT || !updatesDirty || (entry & DBM) == 0) {
                return refuse(SmmuEvent.F_PERMISSION, accessBit, eventClass, ipa);
            }
            updated |= S2AP_WRITE;
        }
        boolean device = (entry & S2_MEMATTR_KIND) == 0;
        if (device && protectsTableWalks && eventClass != SmmuEvent.CLASS_IN) {
            return refuse(SmmuEvent.F_PERMISSION, accessBit, eventClass, ipa);
        }
        if (updated != entry && !inhibitsUpdates) {
            if (!PhysicalWords.compareAndSet(slot, entry, updated)) {
                return RETRY;
            }
            if (((updated ^ entry) & S2AP_WRITE) != 0) {
                dirtyMarks.markDirty(slot);
            }
        }
        leaf = updated;
        rights = (readable ? READ_BIT : 0) | ((updated & S2AP_WRITE) != 0 ? WRITE_BIT : 0);
        return physicalAddress;
    }

    /** XN[1:0]: 0 both, 1 unprivileged only, 2 none, 3 privileged only; without XNX bit 1 alone counts. */
    private boolean executable(long entry) {
        boolean never = (entry & NEVER_EXECUTE) != 0;
        if (!features.has(SmmuFeature.EXECUTE_NEVER_BY_LEVEL)) {
            return !never;
        }
        boolean other = (entry & S2_EXECUTE_NEVER_LOW) != 0;
        return never ? other && privileged : !other || !privileged;
    }

    private long refuse(SmmuEvent event, int accessBit, int eventClass, long ipa) {
        return note.stage2(event, eventClass, accessBit == READ_BIT, ipa, recordsFaults, stallsFaults);
    }
}
