package iommu.vtd.unit;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.vtd.format.FaultReason;
import iommu.vtd.format.FaultRecord;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;

/**
 * Where the requests of a device with a device-TLB arrive (§4). Translated requests carry no PASID: the unit does not report support
 * for that (PTRS), and they reach the physical window only. A translation is what the tables say at the moment, not what an IOTLB holds.
 */
public final class VtdAtsPort extends VtdPort implements AtsPort {
    private static final long PAGE_INSIDE = (1L << 12) - 1;
    /** The largest pass-through translation: 1 GiB. */
    private static final int LARGEST_LG2 = 30;
    private static final Translation UNSUPPORTED = new Translation(Translation.Status.UNSUPPORTED, 0, 0, false, false, false);
    private static final Translation ABORTED = new Translation(Translation.Status.ABORT, 0, 0, false, false, false);

    private final AtsPort.Device device;
    /** The context entry only, as translated requests need it. */
    private final RequesterContext translated;

    VtdAtsPort(VtdUnit unit, RequesterId requester, int pasid, boolean privileged, AtsPort.Device device) {
        super(unit, requester, pasid, privileged);
        this.device = device;
        translated = newContext(Pasid.NONE, false);
    }

    AtsPort.Device device() {
        return device;
    }

    /** A completion of an invalidation that the unit never asked for, or no longer waits for (§4.3). */
    public void completeInvalidation() {
        unit().unexpectedCompletion(sourceId());
    }

    @Override
    public Translation requestTranslation(long iova, DmaAccess access) {
        boolean noWrite = access == DmaAccess.READ && unit().features().has(VtdFeature.NO_WRITE_FLAG);
        if (!unit().features().has(VtdFeature.DEVICE_TLB) || !unit().translation().enabled()) {
            return UNSUPPORTED;
        }
        int reason;
        Translation completion = UNSUPPORTED;
        boolean suppressed;
        try {
            if (!enterEpoch()) {
                return UNSUPPORTED;
            }
            reason = prepare(RequestKind.TRANSLATION);
            if (reason == 0) {
                if (isInterruptRange(iova) && requestPasid() == Pasid.NONE) {
                    // Writes there go untranslated, since they may be interrupts (Table 30, S.1 and S.2).
                    return new Translation(Translation.Status.SUCCESS, 0, PAGE_INSIDE + 1, false, !noWrite, !noWrite);
                }
                long found = permissions(iova, noWrite);
                if (found < 0) {
                    reason = (int) -found;
                } else {
                    completion = completion(iova, found >>> 2 << 2, (int) found & 3);
                    reason = completion == ABORTED ? interruptRange().code() : 0;
                }
            }
            suppressed = context().suppressesFaults();
        } catch (InternalError memoryGone) {
            return ABORTED;
        } finally {
            leaveEpoch();
        }
        return reason == 0 ? completion : refused(iova, noWrite, FaultReason.of(reason), suppressed);
    }

    /** What a request that may write gets is read and write, or else one of them (§4.2.3). @return bus address of the page | access, or minus a reason */
    private long permissions(long iova, boolean noWrite) {
        long page = iova & ~PAGE_INSIDE;
        int access = noWrite ? READ_BIT : READ_BIT | WRITE_BIT;
        long busAddress = translate(page, access);
        if (!noWrite && lacksWrite(busAddress)) {
            access = READ_BIT;
            busAddress = translate(page, access);
        }
        if (!noWrite && lacksRead(busAddress)) {
            access = WRITE_BIT;
            busAddress = translate(page, access);
        }
        return busAddress < 0 ? busAddress : busAddress | access;
    }

    private static boolean lacksWrite(long result) {
        return result == -FaultReason.WRITE_DENIED.code() || result == -FaultReason.SCALABLE_WRITE_DENIED.code();
    }

    private static boolean lacksRead(long result) {
        return result == -FaultReason.READ_DENIED.code() || result == -FaultReason.SCALABLE_READ_DENIED.code();
    }

    private Translation completion(long iova, long busPage, int access) {
        boolean passThrough = context().type == PasidTableEntry.PASS_THROUGH;
        int sizeLg2 = passThrough ? LARGEST_LG2 : leafLg2();
        if (!passThrough && overlapsInterrupts(busPage, sizeLg2)) {
            return ABORTED;
        }
        while (sizeLg2 > 12 && requestPasid() == Pasid.NONE && overlapsInterrupts(iova, sizeLg2)) {
            sizeLg2--;
        }
        long bytes = 1L << sizeLg2;
        return new Translation(Translation.Status.SUCCESS, busPage & -bytes, bytes, (access & READ_BIT) != 0,
                (access & WRITE_BIT) != 0, false);
    }

    private static boolean overlapsInterrupts(long address, int sizeLg2) {
        int shift = Math.max(sizeLg2, HostAddress.INTERRUPT_SHIFT);
        return address >>> shift == HostAddress.INTERRUPT_RANGE << HostAddress.INTERRUPT_SHIFT >>> shift;
    }

    private Translation refused(long iova, boolean noWrite, FaultReason reason, boolean suppressed) {
        FaultReason.Answer answer = reason.answer();
        if (answer == FaultReason.Answer.NOTHING_GRANTED) {
            return new Translation(Translation.Status.SUCCESS, 0, PAGE_INSIDE + 1, false, false, false);
        }
        if (!suppressed || !reason.qualified()) {
            unit().recordFault(iova, sourceId(), requestPasid(),
                    FaultRecord.TRANSLATION_REQUEST | FaultRecord.READ | privilege(), reason);
        }
        return answer == FaultReason.Answer.ABORT ? ABORTED : UNSUPPORTED;
    }

    @Override
    public DmaStatus readTranslated(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        DmaStatus status = move(address, target, targetOffset, lengthBytes, false);
        if (status != DmaStatus.DONE) {
            target.asSlice(targetOffset, lengthBytes).fill((byte) 0);
        }
        return status;
    }

    @Override
    public DmaStatus writeTranslated(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        return move(address, source, sourceOffset, lengthBytes, true);
    }

    private DmaStatus move(long address, MemorySegment bytes, long offset, long lengthBytes, boolean write) {
        if (!unit().features().has(VtdFeature.DEVICE_TLB) || !unit().translation().enabled()) {
            return DmaStatus.ABORTED;   // unsupported request, not the unit's business
        }
        int reason;
        long at = address;
        long left = lengthBytes;
        boolean suppressed;
        try {
            if (!enterEpoch()) {
                return status();
            }
            reason = translated.resolve(unit().translation(), RequestKind.TRANSLATED);
            suppressed = translated.suppressesFaults();
            while (reason == 0 && left > 0) {
                reason = translatedReason(at);
                if (reason != 0) {
                    break;
                }
                long run = Math.min(PAGE_INSIDE + 1 - (at & PAGE_INSIDE), left);
                long hostAddress = unit().memory().hostAddress(at);
                if (!HostMemory.isBacked(hostAddress) || unit().protectedMemory().covers(at)) {
                    return DmaStatus.ABORTED;
                }
                if (write) {
                    MemorySegment.copy(bytes, offset + at - address, HostMemory.WINDOW, hostAddress, run);
                } else {
                    MemorySegment.copy(HostMemory.WINDOW, hostAddress, bytes, offset + at - address, run);
                }
                at += run;
                left -= run;
            }
        } catch (InternalError memoryGone) {
            return DmaStatus.ABORTED;
        } finally {
            leaveEpoch();
        }
        if (reason == 0) {
            return DmaStatus.DONE;
        }
        FaultReason why = FaultReason.of(reason);
        if (!suppressed || !why.qualified()) {
            unit().recordFault(at, sourceId(), Pasid.NONE, FaultRecord.TRANSLATED_REQUEST | (write ? 0 : FaultRecord.READ), why);
        }
        return DmaStatus.FAULTED;
    }

    private int translatedReason(long address) {
        if ((address & HostAddress.RESERVED) != 0) {
            return (translated.scalable ? FaultReason.PASS_THROUGH_TOO_WIDE : FaultReason.ADDRESS_TOO_WIDE).code();
        }
        if (isInterruptRange(address)) {
            return (translated.scalable ? FaultReason.SCALABLE_INTERRUPT_RANGE : FaultReason.INTERRUPT_RANGE).code();
        }
        return 0;
    }

    @Override
    public boolean requestPage(PageRequest request) {
        if (!unit().features().has(VtdFeature.PAGE_REQUESTS) || !unit().translation().enabled()) {
            return false;
        }
        int reason;
        boolean suppressed;
        try {
            if (!enterEpoch()) {
                return false;
            }
            reason = prepare(RequestKind.PAGE);
            suppressed = context().suppressesFaults();
        } catch (InternalError memoryGone) {
            return answer(request, FaultResponse.INVALID);
        } finally {
            leaveEpoch();
        }
        if (reason == 0) {
            return unit().pageRequest(this, request) || answer(request, FaultResponse.SUCCESS);
        }
        FaultReason why = FaultReason.of(reason);
        if (!suppressed || !why.qualified()) {
            unit().recordFault(request.iova(), sourceId(), requestPasid(),
                    FaultRecord.ATOMIC | (request.privileged() && requestPasid() != Pasid.NONE ? FaultRecord.PRIVILEGED : 0), why);
        }
        return answer(request, FaultResponse.INVALID);
    }

    @Override
    protected boolean askForPage(long iova, long lengthBytes, int accessBit) {
        return device instanceof WaitingDevice waiting && pageHeals() && waiting.pages().request(this, requestPasid(),
                group -> requestPage(new PageRequest(requestPasid(), group, iova & ~PAGE_INSIDE,
                        accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, false, false, true)));
    }

    /** The unit's own answer to a group, after its last request (Table 31). @return whether there is one */
    private boolean answer(PageRequest request, FaultResponse response) {
        if (request.lastOfGroup()) {
            device.pageResponse(new PageResponse(requestPasid(), request.groupIndex(), response));
        }
        return request.lastOfGroup();
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        translated.forget();
        super.forget(kind, tag, first, last);
    }

    @Override
    protected void forgetEverything() {
        translated.forget();
        super.forgetEverything();
    }
}
