package iommu.smmuv3.unit;

import static iommufd.api.DmaAccess.READ_BIT;

import iommu.common.dma.Iotlb;
import iommu.common.dma.TranslatingPort;
import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Requests of one stream, with one SubstreamID or none. Its IOTLB holds translations of the loaded configuration only, so that
 * VMID and ASID need no room in the tags: whoever drops the configuration drops the translations.
 */
final class SmmuPort extends TranslatingPort {
    /** Physical 0 is never memory: what goes there is aborted by the system, not by the unit. */
    private static final long NOWHERE = 0;
    /** More 2 MiB pieces than the largest block has are not worth single looks. */
    private static final long MAX_PIECES = 1024;
    private static final long PIECE_BYTES = 1L << Iotlb.LARGE_PAGE_LG2;
    private static final long OFFSET = (1L << Iotlb.SMALL_PAGE_LG2) - 1;

    private final SmmuUnit unit;
    private final SmmuBus bus;
    private final RequesterId requesterId;
    private final int substreamId;
    private final FaultNote note;
    private final StreamConfiguration configuration;
    private final StageOne stage1;
    private final StageTwo stage2;
    /** log2 of the largest first-stage page of which smaller pieces are in the IOTLB's first array. */
    private int grainLg2 = Iotlb.SMALL_PAGE_LG2;
    /** log2 of the largest page of which 2 MiB pieces are in the IOTLB, or 0. */
    private int hugeLg2;
    /** Whether translations in the IOTLB count for every ASID. */
    private boolean hasGlobal;
    private long refusedAt;
    private long missed = SmmuBus.NOWHERE;
    private Optional<StalledRequests.Stall> stall = Optional.empty();

    SmmuPort(SmmuUnit unit, RequesterId requesterId, int substreamId) {
        super(unit.log(), unit.farPath());
        this.unit = unit;
        bus = unit.bus();
        this.requesterId = requesterId;
        this.substreamId = substreamId;
        note = new FaultNote(substreamId);
        configuration = new StreamConfiguration(unit, note, requesterId.value(), substreamId);
        stage1 = configuration.stage1;
        stage2 = configuration.stage2;
    }

    @Override
    protected long walk(long iova, int accessBit) {
        StreamConfiguration stream = configuration;
        if (!stream.loaded && stream.load() < 0) {
            return REFUSED;
        }
        if (!stream.translatesStage1) {
            return walkPastStage1(iova, accessBit);
        }
        long canonical = stage1.canonical(iova);
        long output = stage1.walk(canonical, accessBit);
        if (output < 0) {
            return REFUSED;
        }
        int inputLg2 = stage1.pageLg2;
        int pageLg2 = inputLg2;
        int rights = stage1.rights;
        if (stream.translatesStage2) {
            output = stage2.walk(output, accessBit, SmmuEvent.CLASS_IN);
            if (output < 0) {
                return REFUSED;
            }
            pageLg2 = Math.min(pageLg2, stage2.pageLg2);
            rights &= stage2.rights;
        }
        hasGlobal |= stage1.global;
        // With TBI one page has many names, but invalidations know only the canonical one.
        return reach(iova, output, inputLg2, pageLg2, canonical == iova ? rights : 0);
    }

    private long walkPastStage1(long iova, int accessBit) {
        StreamConfiguration stream = configuration;
        if (iova >>> stream.outputBits != 0) {
            return stream.silentOutsideOutput() ? note.silently() : note.stage1(SmmuEvent.F_ADDR_SIZE, true, false, true);
        }
        long output = iova;
        int pageLg2 = Iotlb.LARGE_PAGE_LG2;
        int rights = DmaAccess.READ_WRITE.bits();
        if (stream.translatesStage2) {
            output = stage2.walk(iova, accessBit, SmmuEvent.CLASS_IN);
            if (output < 0) {
                return REFUSED;
            }
            pageLg2 = stage2.pageLg2;
            rights = stage2.rights;
        }
        return reach(iova, output, pageLg2, pageLg2, rights);
    }

    /**
     * From the bus to memory.
     *
     * @param rights to be remembered; 0 for none
     */
    private long reach(long iova, long output, int inputLg2, int pageLg2, int rights) {
        long at = output;
        int wholeLg2 = pageLg2;
        if (!bus.isHost()) {
            at = bus.page(output);
            if (at < 0) {
                missed = output;
                return NOWHERE | output & OFFSET;
            }
            if (pageLg2 >= Iotlb.LARGE_PAGE_LG2 && !bus.wholeAt(output, at, PIECE_BYTES)) {
                wholeLg2 = Iotlb.SMALL_PAGE_LG2;
            }
        } else if (output >= HostMemory.SIZE_BYTES) {
            return behindTheWindow(output);
        }
        if (rights != 0) {
            remember(iova, at, inputLg2, wholeLg2, rights);
        }
        return at;
    }

    /** Far memory is never remembered; behind that is none. */
    private static long behindTheWindow(long output) {
        return FarMemory.isFar(output) ? output : NOWHERE | output & OFFSET;
    }

    /** @param inputLg2 size of the page in the tables that are walked by IOVA; {@code pageLg2} is not larger */
    private void remember(long iova, long output, int inputLg2, int pageLg2, int rights) {
        iotlb.remember(iova, output, pageLg2, rights);
        if (pageLg2 < Iotlb.LARGE_PAGE_LG2) {
            grainLg2 = Math.max(grainLg2, inputLg2);
        } else if (inputLg2 > Iotlb.LARGE_PAGE_LG2) {
            hugeLg2 = Math.max(hugeLg2, inputLg2);
        }
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        stage1.forgetTables();
        StreamConfiguration stream = configuration;
        long streamId = requesterId.value() & 0xffff_ffffL;
        switch (kind) {
            case SmmuInvalidation.STREAMS -> {
                if (first <= streamId && streamId <= last) {
                    forgetEverything();
                }
                return;
            }
            case SmmuInvalidation.CONTEXT -> {
                if (tag == streamId && first == Math.max(0, substreamId)) {
                    forgetEverything();
                }
                return;
            }
            case SmmuInvalidation.CONTEXTS -> {
                if (tag == streamId) {
                    forgetEverything();
                }
                return;
            }
            case SmmuInvalidation.EVERYTHING -> {
                forgetEverything();
                return;
            }
            default -> { }
        }
        if (!stream.loaded) {
            return;   // then there are no translations either
        }
        switch (stream.regime) {
            case EL1 -> forgetGuest(kind, tag, first, last);
            case EL2 -> forgetHypervisor(kind, true, first, last);
            case EL2_E2H -> forgetHypervisor(kind, SmmuInvalidation.asid(tag) == stage1.asid(), first, last);
        }
    }

    /** Translations of stages 1 and 2 of {@link Regime#EL1}. */
    private void forgetGuest(int kind, long tag, long first, long last) {
        if (kind == SmmuInvalidation.TRANSLATIONS) {
            forgetTranslations();
            return;
        }
        StreamConfiguration stream = configuration;
        if (!SmmuInvalidation.ofVmid(tag, stream.vmid)) {
            return;
        }
        boolean byStage1 = stream.translatesStage1;
        boolean sameAsid = byStage1 && SmmuInvalidation.asid(tag) == stage1.asid();
        switch (kind) {
            case SmmuInvalidation.BOTH_STAGES -> forgetTranslations();
            case SmmuInvalidation.STAGE1 -> forgetTranslationsIf(byStage1);
            case SmmuInvalidation.STAGE1_ASID -> forgetTranslationsIf(sameAsid);
            case SmmuInvalidation.STAGE1_RANGE -> forgetRangeIf(sameAsid || byStage1 && hasGlobal, first, last);
            case SmmuInvalidation.STAGE1_RANGE_ANY_ASID -> forgetRangeIf(byStage1, first, last);
            case SmmuInvalidation.STAGE2_RANGE -> {
                // Combined entries are not tagged by their intermediate address.
                forgetTranslationsIf(byStage1 && stream.translatesStage2);
                forgetRangeIf(!byStage1 && stream.translatesStage2, first, last);
            }
            default -> { }   // a hypervisor's
        }
    }

    private void forgetHypervisor(int kind, boolean sameAsid, long first, long last) {
        boolean hasAsids = configuration.regime == Regime.EL2_E2H;
        switch (kind) {
            case SmmuInvalidation.HYPERVISOR -> forgetTranslations();
            case SmmuInvalidation.HYPERVISOR_ASID -> forgetTranslationsIf(hasAsids && sameAsid);
            case SmmuInvalidation.HYPERVISOR_RANGE -> forgetRangeIf(sameAsid || hasGlobal, first, last);
            case SmmuInvalidation.HYPERVISOR_RANGE_ANY_ASID -> forgetRange(first, last);
            default -> { }   // a guest's
        }
    }

    private void forgetTranslationsIf(boolean concerned) {
        if (concerned) {
            forgetTranslations();
        }
    }

    private void forgetRangeIf(boolean concerned, long first, long last) {
        if (concerned) {
            forgetRange(first, last);
        }
    }

    /** An address anywhere in a page or block concerns all of it, however it was cut for the IOTLB. */
    private void forgetRange(long first, long last) {
        long grain = (1L << grainLg2) - 1;
        iotlb.forget(first & ~grain, last | grain);
        if (hugeLg2 == 0) {
            return;
        }
        long huge = (1L << hugeLg2) - 1;
        long piece = first & ~huge;
        long pieces = ((last | huge) - piece >>> Iotlb.LARGE_PAGE_LG2) + 1;
        if (Long.compareUnsigned(pieces, MAX_PIECES) > 0) {
            forgetTranslations();
            return;
        }
        for (; pieces > 0; pieces--) {
            iotlb.forget(piece, piece);
            piece += PIECE_BYTES;
        }
    }

    private void forgetTranslations() {
        iotlb.forgetEverything();
        grainLg2 = Iotlb.SMALL_PAGE_LG2;
        hugeLg2 = 0;
        hasGlobal = false;
    }

    @Override
    protected void forgetEverything() {
        configuration.loaded = false;
        stage1.forgetTables();
        forgetTranslations();
    }

    @Override
    protected DmaFault fault(long iova, int accessBit) {
        refusedAt = iova;
        if (!note.eventful()) {
            return describe(iova, accessBit, DmaFault.Kind.BLOCKED, 0, "the stream is blocked");
        }
        SmmuEvent event = note.event();
        DmaFault fault = describe(iova, accessBit, note.kind(), event.number(), event.text());
        if (note.recorded()) {
            record(iova, accessBit == READ_BIT);
        }
        return fault;
    }

    private void record(long iova, boolean read) {
        long word0 = note.word0(requesterId.value());
        long word1 = note.word1(read);
        if (note.stalls()) {
            stall = Optional.of(unit.stalls().park(requesterId.value(), tag ->
                    unit.events().recordStall(word0, word1 | SmmuEvent.STALL | tag, note.word2(iova), note.word3())));
        } else {
            unit.events().record(word0, word1, note.word2(iova), note.word3());
        }
    }

    /** A translation request of the device (IHI 0070, §3.9.1.2). */
    AtsPort.Translation requestTranslation(long iova, DmaAccess access) {
        FaultNote own = new FaultNote(substreamId);   // requests' own is of what their IOTLB holds
        StreamConfiguration stream = new StreamConfiguration(unit, own, requesterId.value(), substreamId);
        TranslationRequest request = new TranslationRequest(unit, stream, own, iova, access);
        if (!inside(request)) {
            return TranslationRequest.ABORTED;
        }
        request.event().ifPresent(word1 -> unit.events().record(own.word0(requesterId.value()), word1, own.word2(iova & ~OFFSET), own.word3()));
        return request.completion();
    }

    /** Where the latest refused request was refused. */
    long refusedAt() {
        return refusedAt;
    }

    /** Whether the latest refused request is completed with zeros. */
    boolean completes() {
        return note.eventful() && note.completes();
    }

    /** The stall of the latest refused request, if it stalls; once. */
    Optional<StalledRequests.Stall> takeStall() {
        Optional<StalledRequests.Stall> taken = stall;
        stall = Optional.empty();
        return taken;
    }

    /** Where on the bus the latest aborted request found no memory, or {@link SmmuBus#NOWHERE}; once. */
    long takeMissed() {
        long taken = missed;
        missed = SmmuBus.NOWHERE;
        return taken;
    }

    @Override
    protected DmaFault abort(long iova, int accessBit) {
        return describe(iova, accessBit, DmaFault.Kind.EXTERNAL_ABORT, 0, "there is no memory behind the translated address");
    }

    private DmaFault describe(long iova, int accessBit, DmaFault.Kind kind, int code, String text) {
        OptionalInt pasid = substreamId < 0 ? OptionalInt.empty() : OptionalInt.of(substreamId);
        DmaAccess access = accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE;
        return new DmaFault(unit.name(), requesterId, pasid, iova, access, kind, code, text);
    }
}
