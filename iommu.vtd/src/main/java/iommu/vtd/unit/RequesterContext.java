package iommu.vtd.unit;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.ContextEntry;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommu.vtd.format.Registers;
import iommu.vtd.format.RootEntry;
import iommu.vtd.format.ScalableContextEntry;
import iommufd.api.dma.Pasid;

/**
 * How the requests of one source-id and PASID are to be translated: the lookup in root, context and PASID tables, and one entry
 * each of context-cache and PASID-cache (§6.2.2, §6.2.3). Only entries that caused no fault are kept. Belongs to one port;
 * used inside its epoch.
 */
final class RequesterContext {
    /** {@link #type}: requests go to memory as they are. */
    static final int UNTRANSLATED = 0;

    private static final int OK = 0;

    private final VtdFeatures features;
    private final ReservedBits reserved;
    private final boolean cachesFaults;
    private final int sourceId;
    private final int requestPasid;
    private final boolean requestPrivileged;
    private final KnownMemory memory;

    private boolean contextCached;
    /** Why the cached context entry cannot be used; only in caching mode. */
    private int contextReason;
    /** Why the cached PASID entry cannot be used; only in caching mode. */
    private int pasidReason;
    private long contextLow;
    private long contextHigh;
    private boolean pasidCached;
    private int cachedPasid;
    private boolean contextSuppresses;
    private boolean pasidSuppresses;

    /** One of the types of {@link PasidTableEntry}, which legacy mode is mapped to, or {@link #UNTRANSLATED}. */
    int type;
    /** The tables are scalable-mode tables. */
    boolean scalable;
    int domainId;
    /** The PASID of the request, or the one that stands for none; -1 in legacy mode. */
    int pasid = Pasid.NONE;
    long secondStageTable;
    int secondStageLevels;
    boolean secondStageMarks;
    long firstStageTable;
    int firstStageLevels;
    boolean extendedAccessed;
    boolean coherent;
    /** Requests are privileged, and may be. */
    boolean supervisor;
    boolean writeProtect;
    private boolean supervisorEnabled;
    /** Translation and translated requests are let through. */
    private boolean deviceTlb;

    RequesterContext(VtdFeatures features, ReservedBits reserved, KnownMemory memory, int sourceId, int requestPasid,
            boolean requestPrivileged) {
        this.features = features;
        this.reserved = reserved;
        this.memory = memory;
        this.requestPrivileged = requestPrivileged;
        cachesFaults = features.has(VtdFeature.CACHING_MODE);
        this.sourceId = sourceId;
        this.requestPasid = requestPasid;
    }

    /** Whether an entry met by the last lookup suppresses fault records. */
    boolean suppressesFaults() {
        return contextSuppresses || pasidSuppresses;
    }

    /**
     * Looks everything up that is not cached.
     *
     * @param kind of the request; one with a translated address needs no PASID entry
     * @return 0, or the code of a {@link FaultReason}
     */
    int resolve(Translation translation, RequestKind kind) {
        if (!translation.enabled()) {
            type = UNTRANSLATED;
            scalable = false;
            supervisor = false;
            domainId = 0;
            pasid = Pasid.NONE;
            return OK;
        }
        if (!contextCached) {
            contextSuppresses = false;
        }
        if (!pasidCached) {
            pasidSuppresses = false;
        }
        switch (translation.tableMode()) {
            case Registers.LEGACY_MODE -> {
                scalable = false;
                supervisor = false;
                if (kind == RequestKind.PAGE) {
                    return FaultReason.PAGE_REQUEST_IN_LEGACY_MODE.code();
                }
                if (requestPasid != Pasid.NONE) {
                    return FaultReason.PASID_IN_LEGACY_MODE.code();
                }
                int reason = contextCached ? contextReason : cacheContext(legacyContext(translation.rootTable()));
                return reason == OK && kind.usesDeviceTlb() && !deviceTlb ? FaultReason.DEVICE_TLB_BLOCKED.code() : reason;
            }
            case Registers.SCALABLE_MODE -> {
                scalable = true;
                if (!features.scalable()) {
                    return FaultReason.TABLE_MODE_INVALID.code();
                }
                int reason = contextCached ? contextReason : cacheContext(scalableContext(translation.rootTable()));
                if (reason == OK && kind.usesDeviceTlb() && !deviceTlb) {
                    return FaultReason.DEVICE_TLB_DISABLED.code();
                }
                return reason != OK || kind == RequestKind.TRANSLATED ? reason : pasid(kind);
            }
            case Registers.ABORT_DMA_MODE -> {
                return (features.has(VtdFeature.ABORT_DMA) ? FaultReason.ABORT_DMA_MODE : FaultReason.TABLE_MODE_INVALID).code();
            }
            default -> {
                return FaultReason.TABLE_MODE_INVALID.code();
            }
        }
    }

    /** What is wrong is kept in caching mode only, under the domain-id that is reserved for it (§6.2.2). */
    private int cacheContext(int reason) {
        contextCached = reason == OK || cachesFaults;
        contextReason = reason;
        if (reason != OK && !scalable) {
            domainId = 0;
        }
        return reason;
    }

    private int cachePasid(int wanted, int reason) {
        pasidCached = reason == OK || cachesFaults;
        pasidReason = reason;
        cachedPasid = wanted;
        if (reason != OK) {
            domainId = 0;
        }
        return reason;
    }

    /** Drops everything. */
    void forget() {
        contextCached = false;
        pasidCached = false;
    }

    /** Context-cache invalidation, global. */
    void forgetContext() {
        contextCached = false;
    }

    /** Context-cache invalidation by domain; scalable-mode entries have no domain and go anyway. */
    void forgetContext(int ofDomain) {
        if (scalable || domainId == ofDomain) {
            contextCached = false;
        }
    }

    /** Context-cache invalidation by device. */
    void forgetContextOfDevice(long tag) {
        if (Invalidation.coversSource(tag, sourceId) && (scalable || domainId == Invalidation.domainId(tag))) {
            contextCached = false;
        }
    }

    /** PASID-cache invalidation, global. */
    void forgetPasid() {
        pasidCached = false;
    }

    /** PASID-cache invalidation by domain. */
    void forgetPasid(int ofDomain) {
        if (domainId == ofDomain) {
            pasidCached = false;
        }
    }

    /** PASID-cache invalidation by domain and PASID. */
    void forgetPasid(int ofDomain, int ofPasid) {
        if (domainId == ofDomain && cachedPasid == ofPasid) {
            pasidCached = false;
        }
    }

    private int legacyContext(long rootTable) {
        long rootEntry = memory.hostAddress(rootTable + (sourceId >>> 8) * (long) RootEntry.BYTES);
        if (rootEntry < 0) {
            return FaultReason.ROOT_UNREACHABLE.code();
        }
        long root = PhysicalWords.getAcquire(rootEntry);
        if ((root & RootEntry.PRESENT) == 0) {
            return FaultReason.ROOT_ABSENT.code();
        }
        if ((root & RootEntry.RESERVED) != 0 || PhysicalWords.get(rootEntry + 8) != 0) {
            return FaultReason.ROOT_RESERVED.code();
        }
        long entry = memory.hostAddress((root & HostAddress.PAGE) + (sourceId & 0xFF) * (long) ContextEntry.BYTES);
        if (entry < 0) {
            return FaultReason.CONTEXT_UNREACHABLE.code();
        }
        long low = PhysicalWords.getAcquire(entry);
        long high = PhysicalWords.get(entry + 8);
        contextSuppresses = (low & ContextEntry.FAULTS_SUPPRESSED) != 0;
        if ((low & ContextEntry.PRESENT) == 0) {
            return FaultReason.CONTEXT_ABSENT.code();
        }
        int translationType = (int) (low >>> ContextEntry.TYPE_SHIFT) & 3;
        boolean passThrough = translationType == ContextEntry.PASS_THROUGH;
        long lowReserved = passThrough ? ContextEntry.LOW_RESERVED : ContextEntry.LOW_RESERVED | HostAddress.RESERVED;
        if ((low & lowReserved) != 0 || (high & reserved.contextHigh) != 0) {
            return FaultReason.CONTEXT_RESERVED.code();
        }
        int levels = (int) (high & ContextEntry.WIDTH) + 2;
        boolean typeKnown = passThrough && features.has(VtdFeature.PASS_THROUGH) || translationType == ContextEntry.SECOND_STAGE
                || translationType == ContextEntry.SECOND_STAGE_DEVICE_TLB && features.has(VtdFeature.DEVICE_TLB);
        if (!typeKnown || !features.walksLevels(levels)) {
            return FaultReason.CONTEXT_INVALID.code();
        }
        type = passThrough ? PasidTableEntry.PASS_THROUGH : PasidTableEntry.SECOND_STAGE;
        domainId = (int) (high >>> ContextEntry.DOMAIN_SHIFT) & 0xFFFF;
        pasid = Pasid.NONE;
        secondStageTable = low & HostAddress.PAGE;
        secondStageLevels = levels;
        secondStageMarks = false;
        coherent = true;
        deviceTlb = translationType == ContextEntry.SECOND_STAGE_DEVICE_TLB;
        return OK;
    }

    private int scalableContext(long rootTable) {
        int deviceFunction = sourceId & 0xFF;
        long rootEntry = memory.hostAddress(rootTable + (sourceId >>> 8) * (long) RootEntry.BYTES + (deviceFunction >>> 7) * 8L);
        if (rootEntry < 0) {
            return FaultReason.SCALABLE_ROOT_UNREACHABLE.code();
        }
        long root = PhysicalWords.getAcquire(rootEntry);
        if ((root & RootEntry.PRESENT) == 0) {
            return FaultReason.SCALABLE_ROOT_ABSENT.code();
        }
        if ((root & RootEntry.RESERVED) != 0) {
            return FaultReason.SCALABLE_ROOT_RESERVED.code();
        }
        long entry = memory.hostAddress((root & HostAddress.PAGE) + (deviceFunction & 0x7F) * (long) ScalableContextEntry.BYTES);
        if (entry < 0) {
            return FaultReason.SCALABLE_CONTEXT_UNREACHABLE.code();
        }
        long low = PhysicalWords.getAcquire(entry);
        long high = PhysicalWords.get(entry + 8);
        contextSuppresses = (low & ScalableContextEntry.FAULTS_SUPPRESSED) != 0;
        if ((low & ScalableContextEntry.PRESENT) == 0) {
            return FaultReason.SCALABLE_CONTEXT_ABSENT.code();
        }
        if ((low & reserved.scalableContextLow) != 0 || (high & reserved.scalableContextHigh) != 0
                || (PhysicalWords.get(entry + 16) | PhysicalWords.get(entry + 24)) != 0) {
            return FaultReason.SCALABLE_CONTEXT_RESERVED.code();
        }
        deviceTlb = (low & ScalableContextEntry.DEVICE_TLB) != 0;
        if ((high & ScalableContextEntry.RID_PASID) >= ScalableContextEntry.pasidLimit(ScalableContextEntry.directorySize(low))
                || (low & ScalableContextEntry.PAGE_REQUESTS) != 0 && !deviceTlb) {
            return FaultReason.SCALABLE_CONTEXT_INVALID.code();
        }
        contextLow = low;
        contextHigh = high;
        return OK;
    }

    private int pasid(RequestKind kind) {
        if (kind == RequestKind.PAGE && (contextLow & ScalableContextEntry.PAGE_REQUESTS) == 0) {
            return FaultReason.PAGE_REQUESTS_DISABLED.code();
        }
        int ridPasid = (int) (contextHigh & ScalableContextEntry.RID_PASID);
        int wanted = ridPasid;
        if (requestPasid != Pasid.NONE) {
            if ((contextLow & ScalableContextEntry.PASIDS) == 0) {
                return FaultReason.PASIDS_DISABLED.code();
            }
            if (requestPasid >>> features.pasidBits() != 0 && kind != RequestKind.PAGE) {
                return FaultReason.PASID_TOO_WIDE.code();
            }
            if (requestPasid >= ScalableContextEntry.pasidLimit(ScalableContextEntry.directorySize(contextLow))) {
                return FaultReason.PASID_BEYOND_DIRECTORY.code();
            }
            if (requestPasid == ridPasid) {
                return FaultReason.PASID_IS_RID_PASID.code();
            }
            wanted = requestPasid;
        }
        int reason = pasidCached && cachedPasid == wanted ? pasidReason : cachePasid(wanted, pasidEntry(wanted));
        boolean privileged = requestPasid == Pasid.NONE ? (contextHigh & ScalableContextEntry.RID_PRIVILEGED) != 0
                : requestPrivileged;
        supervisor = privileged;
        return reason == OK && privileged && !supervisorEnabled && kind != RequestKind.PAGE
                ? FaultReason.SUPERVISOR_DISABLED.code() : reason;
    }

    private int pasidEntry(int wanted) {
        pasidSuppresses = false;
        long directoryEntry = memory.hostAddress((contextLow & HostAddress.PAGE) + (wanted >>> PasidTableEntry.TABLE_INDEX_BITS) * 8L);
        if (directoryEntry < 0) {
            return FaultReason.DIRECTORY_UNREACHABLE.code();
        }
        long directory = PhysicalWords.getAcquire(directoryEntry);
        pasidSuppresses = (directory & PasidTableEntry.DIRECTORY_FAULTS_SUPPRESSED) != 0;
        if ((directory & PasidTableEntry.DIRECTORY_PRESENT) == 0) {
            return FaultReason.DIRECTORY_ABSENT.code();
        }
        if ((directory & PasidTableEntry.DIRECTORY_RESERVED) != 0) {
            return FaultReason.DIRECTORY_RESERVED.code();
        }
        int index = wanted & (1 << PasidTableEntry.TABLE_INDEX_BITS) - 1;
        long entry = memory.hostAddress((directory & HostAddress.PAGE) + index * (long) PasidTableEntry.BYTES);
        if (entry < 0) {
            return FaultReason.PASID_TABLE_UNREACHABLE.code();
        }
        return pasidEntry(wanted, entry);
    }

    private int pasidEntry(int wanted, long entry) {
        long word0 = PhysicalWords.getAcquire(entry);
        long word1 = PhysicalWords.get(entry + 8);
        long word2 = PhysicalWords.get(entry + 16);
        pasidSuppresses |= (word0 & PasidTableEntry.FAULTS_SUPPRESSED) != 0;
        if ((word0 & PasidTableEntry.PRESENT) == 0) {
            return FaultReason.PASID_ABSENT.code();
        }
        long rest = PhysicalWords.get(entry + 24) | PhysicalWords.get(entry + 32) | PhysicalWords.get(entry + 40)
                | PhysicalWords.get(entry + 48) | PhysicalWords.get(entry + 56);
        if ((word0 & reserved.pasidWord0 | word1 & reserved.pasidWord1 | word2 & reserved.pasidWord2 | rest) != 0) {
            return FaultReason.PASID_RESERVED.code();
        }
        int entryType = PasidTableEntry.type(word0);
        int levels = PasidTableEntry.secondStageLevels(word0);
        int firstStageMode = PasidTableEntry.firstStageMode(word2);
        boolean first = entryType == PasidTableEntry.FIRST_STAGE || entryType == PasidTableEntry.NESTED;
        boolean second = entryType == PasidTableEntry.SECOND_STAGE || entryType == PasidTableEntry.NESTED;
        if (!first && !second && entryType != PasidTableEntry.PASS_THROUGH
                || !features.has(typeFeature(entryType))
                || second && !features.walksLevels(levels)
                || first && firstStageMode > (features.has(VtdFeature.FIRST_STAGE_5_LEVELS) ? 1 : 0)
                || first && second && (word2 & HostAddress.PAGE) >>> 12 + 9 * levels != 0) {
            return FaultReason.PASID_INVALID.code();
        }
        type = entryType;
        domainId = (int) (word1 & PasidTableEntry.DOMAIN);
        pasid = wanted;
        secondStageTable = word0 & HostAddress.PAGE;
        secondStageLevels = levels;
        secondStageMarks = (word0 & PasidTableEntry.SECOND_STAGE_DIRTY) != 0;
        firstStageTable = word2 & HostAddress.PAGE;
        firstStageLevels = firstStageMode + 4;
        extendedAccessed = (word2 & PasidTableEntry.EXTENDED_ACCESSED) != 0;
        coherent = (word1 & PasidTableEntry.WALK_SNOOPS) != 0;
        supervisorEnabled = (word2 & PasidTableEntry.SUPERVISOR) != 0;
        writeProtect = (word2 & PasidTableEntry.WRITE_PROTECT) != 0;
        return OK;
    }

    private static VtdFeature typeFeature(int type) {
        return switch (type) {
            case PasidTableEntry.FIRST_STAGE -> VtdFeature.FIRST_STAGE;
            case PasidTableEntry.SECOND_STAGE -> VtdFeature.SECOND_STAGE;
            case PasidTableEntry.NESTED -> VtdFeature.NESTED;
            default -> VtdFeature.PASS_THROUGH;
        };
    }
}
