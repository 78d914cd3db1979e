package iommu.vtd.unit;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.dma.Iotlb;
import iommu.common.dma.TranslatingPort;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.FaultRecord;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;
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
    /** {@link #refusal}: the request went to the interrupt range; whether it is an interrupt is not known inside the epoch. */
    private static final int MESSAGE = -1;
    private static final int MESSAGE_BYTES = 4;
    private static final ValueLayout.OfInt MESSAGE_DATA = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final VtdUnit unit;
    private final RequesterId requester;
    private final int requestPasid;
    private final RequesterContext context;
    private final MemoryMap memory;
    private final KnownMemory tables;
    private final SecondStageWalk secondStage;
    private final FirstStageWalk firstStage;
    private final Optional<RefusedPages> refusedPages;
    private boolean resolved;
    private int refusal;
    private boolean refusalSuppressed;
    private int tlbDomainId = -1;
    private int tlbPasid;
    private int tlbType;
    private boolean tlbSupervisor;
    /** After a walk: log2 of the page, and the accesses that need no other one. */
    private int leafLg2;
    private int cacheable;

    VtdPort(VtdUnit unit, RequesterId requester, int pasid, boolean privileged) {
        super(unit.invalidations(), unit.farPath());
        this.unit = unit;
        this.requester = requester;
        requestPasid = pasid;
        memory = unit.memory();
        tables = new KnownMemory(memory);
        context = newContext(pasid, privileged);
        secondStage = new SecondStageWalk(tables, unit.dirtyMarks(), unit.reservedBits());
        firstStage = new FirstStageWalk(tables, unit.dirtyMarks(), secondStage, unit.reservedBits());
        refusedPages = unit.features().has(VtdFeature.CACHING_MODE) ? Optional.of(new RefusedPages()) : Optional.empty();
    }

    final RequesterContext newContext(int pasid, boolean privileged) {
        return new RequesterContext(unit.features(), unit.reservedBits(), tables, requester.sourceId(), pasid, privileged);
    }

    final VtdUnit unit() {
        return unit;
    }

    final RequesterContext context() {
        return context;
    }

    final int sourceId() {
        return requester.sourceId();
    }

    final int requestPasid() {
        return requestPasid;
    }

    final int leafLg2() {
        return leafLg2;
    }

    @Override
    protected final long walk(long iova, int accessBit) {
        boolean toInterrupts = isInterruptRange(iova) && requestPasid == Pasid.NONE;
        if (toInterrupts && unit.takesInterrupts()) {
            refusal = MESSAGE;
            refusalSuppressed = false;
            return REFUSED;
        }
        if (!resolved) {
            int reason = prepare(RequestKind.UNTRANSLATED);
            if (reason != 0) {
                return refuse(reason);
            }
            resolved = true;
        }
        boolean translated = context.type != RequesterContext.UNTRANSLATED;
        if (toInterrupts && translated) {
            return refuse(interruptRange().code());
        }
        long busAddress = lookUp(iova, accessBit);
        if (busAddress < 0) {
            return refuse((int) -busAddress);
        }
        if (isInterruptRange(busAddress) && translated) {
            return refuse(interruptRange().code());
        }
        if (busAddress == NO_MEMORY || unit.protectedMemory().covers(busAddress)) {
            return NO_MEMORY;
        }
        if (leafLg2 >= Iotlb.LARGE_PAGE_LG2 && ((iova >>> Iotlb.LARGE_PAGE_LG2) == INTERRUPT_LARGE_PAGE
                || (busAddress >>> Iotlb.LARGE_PAGE_LG2) == INTERRUPT_LARGE_PAGE)) {
            leafLg2 = Iotlb.SMALL_PAGE_LG2;
        }
        return memory == MemoryMap.HOST ? remember(iova, busAddress, leafLg2) : rememberInMap(iova, busAddress);
    }

    static boolean isInterruptRange(long address) {
        return address >>> HostAddress.INTERRUPT_SHIFT == HostAddress.INTERRUPT_RANGE;
    }

    /** In caching mode, what was refused is refused until it is invalidated; first stages are exempt (§11.4.2). */
    private long lookUp(long iova, int access) {
        if (refusedPages.isEmpty() || context.type == PasidTableEntry.FIRST_STAGE) {
            return translate(iova, access);
        }
        int known = refusedPages.get().lookup(iova, access);
        if (known != 0) {
            return -known;
        }
        long result = translate(iova, access);
        if (result < 0) {
            refusedPages.get().remember(iova, access, (int) -result);
        }
        return result;
    }

    /**
     * Walks the tables that {@link #prepare} found.
     *
     * @return the address on the bus, or minus the code of a {@link FaultReason}
     */
    final long translate(long iova, int access) {
        switch (context.type) {
            case PasidTableEntry.SECOND_STAGE -> {
                if (!secondStage.covers(iova)) {
                    return -(context.scalable ? FaultReason.SCALABLE_ADDRESS_TOO_WIDE : FaultReason.ADDRESS_TOO_WIDE).code();
                }
                long busAddress = secondStage.translate(iova, access);
                leafLg2 = secondStage.leafLg2;
                cacheable = secondStage.cacheable;
                return busAddress;
            }
            case PasidTableEntry.FIRST_STAGE, PasidTableEntry.NESTED -> {
                long busAddress = firstStage.translate(iova, access);
                leafLg2 = firstStage.leafLg2;
                cacheable = firstStage.cacheable;
                return busAddress;
            }
            default -> {
                if ((iova & HostAddress.RESERVED) != 0) {
                    if (context.type == RequesterContext.UNTRANSLATED) {
                        return NO_MEMORY;
                    }
                    return -(context.scalable ? FaultReason.PASS_THROUGH_TOO_WIDE : FaultReason.ADDRESS_TOO_WIDE).code();
                }
                leafLg2 = Iotlb.LARGE_PAGE_LG2;
                cacheable = READ_BIT | WRITE_BIT;
                return iova;
            }
        }
    }

    private long remember(long iova, long hostAddress, int sizeLg2) {
        iotlb.remember(iova, hostAddress, sizeLg2, cacheable);
        return hostAddress;
    }

    /** A large page is one only as far as the memory behind it is in one piece, and placed as it is on the bus. */
    private long rememberInMap(long iova, long busAddress) {
        long hostAddress = memory.hostAddress(busAddress);
        if (hostAddress < 0) {
            return NO_MEMORY;
        }
        boolean large = leafLg2 >= Iotlb.LARGE_PAGE_LG2 && (hostAddress - busAddress & LARGE_INSIDE) == 0
                && memory.hostAddress(busAddress & ~LARGE_INSIDE, LARGE_INSIDE + 1) >= 0;
        return remember(iova, hostAddress, large ? Iotlb.LARGE_PAGE_LG2 : Iotlb.SMALL_PAGE_LG2);
    }

    /**
     * Finds out how requests are translated, and points the walks there.
     *
     * @return 0, or the code of a {@link FaultReason}
     */
    final int prepare(RequestKind kind) {
        resolved = false;
        int reason = context.resolve(unit.translation(), kind);
        if (reason != 0) {
            return reason;
        }
        boolean nested = context.type == PasidTableEntry.NESTED;
        if (nested || context.type == PasidTableEntry.SECOND_STAGE) {
            secondStage.configure(context.secondStageTable, context.secondStageLevels, context.scalable,
                    context.secondStageMarks, context.coherent);
        }
        if (nested || context.type == PasidTableEntry.FIRST_STAGE) {
            firstStage.configure(context.firstStageTable, context.firstStageLevels, nested, context.extendedAccessed,
                    context.coherent);
            firstStage.privilege(context.supervisor, context.writeProtect);
        }
        if (tlbDomainId != context.domainId || tlbPasid != context.pasid || tlbType != context.type
                || tlbSupervisor != context.supervisor) {
            forgetTranslations();
            tlbDomainId = context.domainId;
            tlbPasid = context.pasid;
            tlbType = context.type;
            tlbSupervisor = context.supervisor;
        }
        return 0;
    }

    final FaultReason interruptRange() {
        return context.scalable ? FaultReason.SCALABLE_INTERRUPT_RANGE : FaultReason.INTERRUPT_RANGE;
    }

    /** Whether the latest refusal is one that a device with ATS may ask a page for (Table 30), and that a page can end. */
    final boolean pageHeals() {
        if (refusal == MESSAGE) {
            return false;
        }
        FaultReason reason = FaultReason.of(refusal);
        return reason.answer() == FaultReason.Answer.NOTHING_GRANTED
                && (reason.kind() == DmaFault.Kind.TRANSLATION || reason.kind() == DmaFault.Kind.PERMISSION);
    }

    private long refuse(int code) {
        refusal = code;
        refusalSuppressed = context.suppressesFaults();
        return REFUSED;
    }

    @Override
    protected final boolean message(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        if (refusal != MESSAGE || lengthBytes != MESSAGE_BYTES || (iova & MESSAGE_BYTES - 1) != 0) {
            return false;
        }
        Optional<InterruptRemapper.Blocked> blocked =
                unit.interrupt(requester.sourceId(), iova, source.get(MESSAGE_DATA, sourceOffset));
        blocked.ifPresent(reason -> {
            refusal = reason.reason().code();
            refusalSuppressed = true;   // the unit has recorded it, or was not to
        });
        return blocked.isEmpty();
    }

    @Override
    protected final DmaFault fault(long iova, int accessBit) {
        if (refusal == MESSAGE) {
            refusal = unit.noInterrupt().code();
            // Whoever is not translated without interrupt remapping meets an address that nobody claims.
            refusalSuppressed = !unit.translation().enabled() && refusal != FaultReason.NO_INTERRUPT.code();
        }
        FaultReason reason = FaultReason.of(refusal);
        if (!refusalSuppressed || !reason.qualified() && !reason.ofInterrupt()) {
            long type = isAtomic() ? FaultRecord.READ | FaultRecord.ATOMIC : accessBit == READ_BIT ? FaultRecord.READ : 0;
            unit.recordFault(iova, requester.sourceId(), requestPasid, type | privilege(), reason);
        }
        boolean absent = (reason == FaultReason.WRITE_DENIED || reason == FaultReason.READ_DENIED) && secondStage.absent;
        return describe(iova, accessBit, absent ? DmaFault.Kind.TRANSLATION : reason.kind(), reason.code(), reason.text());
    }

    /** The bit of a fault record; meant for requests with PASID only. */
    final long privilege() {
        return requestPasid != Pasid.NONE && context.supervisor ? FaultRecord.PRIVILEGED : 0;
    }

    @Override
    protected final DmaFault abort(long iova, int accessBit) {
        return describe(iova, accessBit, DmaFault.Kind.EXTERNAL_ABORT, 0, "no memory at the translated address");
    }

    private DmaFault describe(long iova, int accessBit, DmaFault.Kind kind, int code, String text) {
        return new DmaFault(unit.name(), requester, requestPasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(requestPasid),
                iova, accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, kind, code, text);
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        tables.forget();
        firstStage.forgetTables();
        int domainId = Invalidation.domainId(tag);
        switch (kind) {
            case Invalidation.CONTEXT_ALL -> context.forgetContext();
            case Invalidation.CONTEXT_DOMAIN -> context.forgetContext(domainId);
            case Invalidation.CONTEXT_DEVICE -> context.forgetContextOfDevice(tag);
            case Invalidation.PASID_ALL -> context.forgetPasid();
            case Invalidation.PASID_DOMAIN -> context.forgetPasid(domainId);
            case Invalidation.PASID_SELECTIVE -> context.forgetPasid(domainId, Invalidation.pasid(tag));
            case Invalidation.IOTLB_ALL -> forgetTranslations();
            case Invalidation.IOTLB_DOMAIN -> {
                if (tlbDomainId == domainId) {
                    forgetTranslations();
                }
            }
            case Invalidation.IOTLB_PAGES -> forgetPages(domainId, first, last);
            case Invalidation.FIRST_STAGE_PASID -> {
                if (tlbDomainId == domainId && tlbPasid == Invalidation.pasid(tag)) {
                    forgetTranslations();
                }
            }
            case Invalidation.FIRST_STAGE_PAGES -> {
                if (tlbDomainId == domainId && tlbPasid == Invalidation.pasid(tag) && tlbHoldsFirstStage()) {
                    forgetTranslations(first, last);
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
            forgetTranslations();
        } else {
            forgetTranslations(first, last);
        }
    }

    private boolean tlbHoldsFirstStage() {
        return tlbType == PasidTableEntry.FIRST_STAGE || tlbType == PasidTableEntry.NESTED;
    }

    private void forgetTranslations() {
        iotlb.forgetEverything();
        refusedPages.ifPresent(RefusedPages::forgetEverything);
    }

    private void forgetTranslations(long first, long last) {
        iotlb.forget(first, last);
        if (refusedPages.isPresent()) {   // a lambda would be allocated, invalidation by invalidation
            refusedPages.get().forget(first, last);
        }
    }

    @Override
    protected void forgetEverything() {
        tables.forget();
        firstStage.forgetTables();
        context.forget();
        forgetTranslations();
        resolved = false;
    }
}
