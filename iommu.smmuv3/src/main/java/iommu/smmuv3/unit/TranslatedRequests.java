package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommufd.api.DmaAccess.READ_BIT;

import iommu.common.dma.Iotlb;
import iommu.common.dma.TranslatingPort;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;

/**
 * Requests of a device at addresses that it translated before (IHI 0070, §3.9.1.3): they pass, after checks if ATSCHK says so, or
 * go through stage 2 alone. Only whole pages of 4 KiB are remembered, until any invalidation of the stream or of stage 2.
 */
final class TranslatedRequests extends TranslatingPort {
    private final SmmuUnit unit;
    private final SmmuBus bus;
    private final RequesterId requesterId;
    private final FaultNote note = new FaultNote(Pasid.NONE);
    private final StreamConfiguration configuration;
    private boolean checked;
    private long missed = SmmuBus.NOWHERE;

    TranslatedRequests(SmmuUnit unit, RequesterId requesterId) {
        super(unit.log(), unit.farPath());
        this.unit = unit;
        bus = unit.bus();
        this.requesterId = requesterId;
        configuration = new StreamConfiguration(unit, note, requesterId.value(), Pasid.NONE);
    }

    /** As {@link #write}, or a message. */
    DmaStatus writeOrSignal(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        missed = SmmuBus.NOWHERE;
        DmaStatus status = write(address, source, sourceOffset, lengthBytes);
        if (status == DmaStatus.ABORTED && missed != SmmuBus.NOWHERE && lengthBytes == Integer.BYTES && (address & Integer.BYTES - 1) == 0
                && bus.interrupt(missed, source.get(ValueLayout.JAVA_INT_UNALIGNED, sourceOffset))) {
            return DmaStatus.DONE;
        }
        return status;
    }

    @Override
    protected long walk(long address, int accessBit) {
        boolean checks = (unit.registers().get32(CR0ACK) & CR0_ATSCHK) != 0;
        if (!unit.enabled()) {
            return note.configuration(SmmuEvent.F_TRANSL_FORBIDDEN, true);
        }
        if (checks && !checked) {
            long refused = check();
            if (refused < 0) {
                return refused;
            }
            checked = true;
        }
        long output = address;
        int rights = DmaAccess.READ_WRITE.bits();
        if (address >>> unit.features().outputBits() != 0) {
            return note.silently();
        }
        if (checks && configuration.ats == StreamTableEntry.EATS_SPLIT) {
            output = configuration.stage2.walk(address, accessBit, SmmuEvent.CLASS_IN);
            if (output < 0) {
                return REFUSED;
            }
            rights = configuration.stage2.rights;
        }
        long at = bus.isHost() ? output : bus.page(output);
        if (at < 0) {
            missed = output;
            return 0;   // no memory
        }
        iotlb.remember(address, at, Iotlb.SMALL_PAGE_LG2, rights);
        return at;
    }

    /** Whether the stream may use translated addresses. */
    private long check() {
        long loaded = configuration.loadEntry();
        if (loaded < 0) {
            boolean recorded = (unit.registers().get32(CR2) & CR2_REC_CFG_ATS) != 0;
            return recorded ? note.recordAnyway() : note.silently();
        }
        if (configuration.aborts()) {
            return note.silently();
        }
        if (configuration.ats == StreamTableEntry.EATS_NONE) {
            return note.configuration(SmmuEvent.F_TRANSL_FORBIDDEN, true);
        }
        configuration.override();
        return 0;
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        boolean concerned = switch (kind) {
            case SmmuInvalidation.STREAMS -> {
                long streamId = requesterId.value() & 0xffff_ffffL;
                yield first <= streamId && streamId <= last;
            }
            case SmmuInvalidation.EVERYTHING, SmmuInvalidation.TRANSLATIONS, SmmuInvalidation.BOTH_STAGES,
                    SmmuInvalidation.STAGE2_RANGE -> true;
            default -> false;
        };
        if (concerned) {
            forgetEverything();
        }
    }

    @Override
    protected void forgetEverything() {
        checked = false;
        iotlb.forgetEverything();
    }

    @Override
    protected DmaFault fault(long address, int accessBit) {
        boolean read = accessBit == READ_BIT;
        if (!note.eventful()) {
            return describe(address, accessBit, DmaFault.Kind.BLOCKED, 0, "the stream is blocked");
        }
        if (note.recorded()) {
            unit.events().record(note.word0(requesterId.value()), note.word1(read), note.word2(address), note.word3());
        }
        return describe(address, accessBit, note.kind(), note.event().number(), note.event().text());
    }

    @Override
    protected DmaFault abort(long address, int accessBit) {
        return describe(address, accessBit, DmaFault.Kind.EXTERNAL_ABORT, 0, "there is no memory at the translated address");
    }

    private DmaFault describe(long address, int accessBit, DmaFault.Kind kind, int code, String text) {
        return new DmaFault(unit.name(), requesterId, OptionalInt.empty(), address,
                accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, kind, code, text);
    }
}
