package iommu.vtd.unit;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.dma.Iotlb;
import iommu.common.dma.TranslatingPort;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.MemoryMap;
import java.util.OptionalInt;

/**
 * Where the requests of one queue of a device arrive. Its IOTLB holds translations of one domain, PASID and type at a time,
 * the tags of §6.2.1; they outlive the context and PASID entries they were made by until an IOTLB invalidation covers them.
 */
public sealed class VtdPort extends TranslatingPort permits VtdAtsPort {
    /** The 2 MiB that the interrupt range lies in: cached in small pages only. */
    private static final long INTERRUPT_LARGE_PAGE =
            HostAddress.INTERRUPT_RANGE >>> Iotlb.LARGE_PAGE_LG2 - HostAddress.INTERRUPT_SHIFT;

    private static final long LARGE_INSIDE = (1L << Iotlb.LARGE_PAGE_LG2) - 1;
    /** An address behind all memory. */
    private static final long NO_MEMORY = 1L << HostAddress.BITS;

    private final VtdUnit unit;
    private final RequesterId requester;
    private final int requestPasid;
    private final RequesterContext context;
    private final MemoryMap memory;
    private final KnownMemory tables;
    private final SecondStageWalk secondStage;
    private final FirstStageWalk firstStage;
    private boolean resolved;
    private int refusal;
    private boolean refusalSuppressed;
    private int tlbDomainId = -1;
    private int tlbPasid;
    private int tlbType;

    VtdPort(VtdUnit unit, RequesterId requester, int pasid) {
        super(unit.invalidations(), unit.farPath());
        this.unit = unit;
        this.requester = requester;
        requestPasid = pasid;
        memory = unit.memory();
        tables = new KnownMemory(memory);
        context = new RequesterContext(unit.features(), tables, requester.sourceId(), pasid);
        secondStage = new SecondStageWalk(tables, unit.dirtyMarks());
        firstStage = new FirstStageWalk(tables, unit.dirtyMarks(), secondStage);
    }

    @Override
    protected long walk(long iova, int accessBit) {
        if (!resolved && !resolve()) {
            return REFUSED;
        }
        if (iova >>> HostAddress.INTERRUPT_SHIFT == HostAddress.INTERRUPT_RANGE && requestPasid == Pasid.NONE
                && context.type != RequesterContext.UNTRANSLATED) {
            return refuse(interruptRange());
        }
        long physicalAddress;
        int leafLg2;
        int cacheable;
        switch (context.type) {
            case PasidTableEntry.SECOND_STAGE -> {
                if (!secondStage.covers(iova)) {
                    return refuse(context.scalable ? FaultReason.SCALABLE_ADDRESS_TOO_WIDE : FaultReason.ADDRESS_TOO_WIDE);
                }
                physicalAddress = secondStage.translate(iova, accessBit);
                leafLg2 = secondStage.leafLg2;
                cacheable = secondStage.cacheable;
            }
            case PasidTableEntry.FIRST_STAGE, PasidTableEntry.NESTED -> {
                physicalAddress = firstStage.translate(iova, accessBit);
                leafLg2 = firstStage.leafLg2;
                cacheable = firstStage.cacheable;
            }
            default -> {
                if ((iova & HostAddress.RESERVED) != 0) {
                    if (context.type == RequesterContext.UNTRANSLATED) {
                        return NO_MEMORY;
                    }
                    return refuse(context.scalable ? FaultReason.PASS_THROUGH_TOO_WIDE : FaultReason.ADDRESS_TOO_WIDE);
                }
                physicalAddress = iova;
                leafLg2 = Iotlb.LARGE_PAGE_LG2;
                cacheable = READ_BIT | WRITE_BIT;
            }
        }
        if (physicalAddress < 0) {
            return refuse((int) -physicalAddress);
        }
        if (physicalAddress >>> HostAddress.INTERRUPT_SHIFT == HostAddress.INTERRUPT_RANGE
                && context.type != RequesterContext.UNTRANSLATED) {
            return refuse(interruptRange());
        }
        if (leafLg2 >= Iotlb.LARGE_PAGE_LG2 && ((iova >>> Iotlb.LARGE_PAGE_LG2) == INTERRUPT_LARGE_PAGE
                || (physicalAddress >>> Iotlb.LARGE_PAGE_LG2) == INTERRUPT_LARGE_PAGE)) {
            leafLg2 = Iotlb.SMALL_PAGE_LG2;
        }
        return memory == MemoryMap.HOST ? remember(iova, physicalAddress, leafLg2, cacheable)
                : rememberInMap(iova, physicalAddress, leafLg2, cacheable);
    }

    private long remember(long iova, long hostAddress, int leafLg2, int cacheable) {
        iotlb.remember(iova, hostAddress, leafLg2, cacheable);
        return hostAddress;
    }

    /** A large page is one only as far as the memory behind it is in one piece, and placed as it is on the bus. */
    private long rememberInMap(long iova, long busAddress, int leafLg2, int cacheable) {
        long hostAddress = memory.hostAddress(busAddress);
        if (hostAddress < 0) {
            return NO_MEMORY;
        }
        boolean large = leafLg2 >= Iotlb.LARGE_PAGE_LG2 && (hostAddress - busAddress & LARGE_INSIDE) == 0
                && memory.hostAddress(busAddress & ~LARGE_INSIDE, LARGE_INSIDE + 1) >= 0;
        return remember(iova, hostAddress, large ? Iotlb.LARGE_PAGE_LG2 : Iotlb.SMALL_PAGE_LG2, cacheable);
    }

    private boolean resolve() {
        int reason = context.resolve(unit.translation());
        if (reason != 0) {
            refuse(reason);
            return false;
        }
        boolean nested = context.type == PasidTableEntry.NESTED;
        if (nested || context.type == PasidTableEntry.SECOND_STAGE) {
            secondStage.configure(context.secondStageTable, context.secondStageLevels, context.scalable,
                    context.secondStageMarks, context.coherent);
        }
        if (nested || context.type == PasidTableEntry.FIRST_STAGE) {
            firstStage.configure(context.firstStageTable, context.firstStageLevels, nested, context.extendedAccessed,
                    context.coherent);
        }
        if (tlbDomainId != context.domainId || tlbPasid != context.pasid || tlbType != context.type) {
            iotlb.forgetEverything();
            tlbDomainId = context.domainId;
            tlbPasid = context.pasid;
            tlbType = context.type;
        }
        resolved = true;
        return true;
    }

    private FaultReason interruptRange() {
        return context.scalable ? FaultReason.SCALABLE_INTERRUPT_RANGE : FaultReason.INTERRUPT_RANGE;
    }

    private long refuse(FaultReason reason) {
        return refuse(reason.code());
    }

    private long refuse(int code) {
        refusal = code;
        refusalSuppressed = context.suppressesFaults();
        return REFUSED;
    }

    @Override
    protected DmaFault fault(long iova, int accessBit) {
        FaultReason reason = FaultReason.of(refusal);
        if (!refusalSuppressed || !reason.qualified()) {
            unit.recordFault(iova, requester.sourceId(), requestPasid, accessBit == READ_BIT, reason);
        }
        boolean absent = (reason == FaultReason.WRITE_DENIED || reason == FaultReason.READ_DENIED) && secondStage.absent;
        return describe(iova, accessBit, absent ? DmaFault.Kind.TRANSLATION : reason.kind(), reason.code(), reason.text());
    }

    @Override
    protected DmaFault abort(long iova, int accessBit) {
        return describe(iova, accessBit, DmaFault.Kind.EXTERNAL_ABORT, 0, "no memory at the translated address");
    }

    private DmaFault describe(long iova, int accessBit, DmaFault.Kind kind, int code, String text) {
        return new DmaFault(unit.name(), requester, requestPasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(requestPasid),
                iova, accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, kind, code, text);
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        tables.forget();
        int domainId = Invalidation.domainId(tag);
        switch (kind) {
            case Invalidation.CONTEXT_ALL -> context.forgetContext();
            case Invalidation.CONTEXT_DOMAIN -> context.forgetContext(domainId);
            case Invalidation.CONTEXT_DEVICE -> context.forgetContextOfDevice(tag);
            case Invalidation.PASID_ALL -> context.forgetPasid();
            case Invalidation.PASID_DOMAIN -> context.forgetPasid(domainId);
            case Invalidation.PASID_SELECTIVE -> context.forgetPasid(domainId, Invalidation.pasid(tag));
            case Invalidation.IOTLB_ALL -> iotlb.forgetEverything();
            case Invalidation.IOTLB_DOMAIN -> {
                if (tlbDomainId == domainId) {
                    iotlb.forgetEverything();
                }
            }
            case Invalidation.IOTLB_PAGES -> forgetPages(domainId, first, last);
            case Invalidation.FIRST_STAGE_PASID -> {
                if (tlbDomainId == domainId && tlbPasid == Invalidation.pasid(tag)) {
                    iotlb.forgetEverything();
                }
            }
            case Invalidation.FIRST_STAGE_PAGES -> {
                if (tlbDomainId == domainId && tlbPasid == Invalidation.pasid(tag) && tlbHoldsFirstStage()) {
                    iotlb.forget(first, last);
                }
            }
            default -> {
                forgetEverything();
                return;
            }
        }
        if (kind < Invalidation.IOTLB_ALL) {
            resolved = false;
        }
    }

    /** Page-selective by domain: a second-stage address says nothing of first-stage translations, so all of those go (Table 23). */
    private void forgetPages(int domainId, long first, long last) {
        if (tlbDomainId != domainId) {
            return;
        }
        if (tlbHoldsFirstStage()) {
            iotlb.forgetEverything();
        } else {
            iotlb.forget(first, last);
        }
    }

    private boolean tlbHoldsFirstStage() {
        return tlbType == PasidTableEntry.FIRST_STAGE || tlbType == PasidTableEntry.NESTED;
    }

    @Override
    protected void forgetEverything() {
        tables.forget();
        context.forget();
        iotlb.forgetEverything();
        resolved = false;
    }
}
