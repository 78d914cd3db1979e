package iommu.smmuv3.unit;

import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.dma.DmaFault;

/** Why the last walk of a port refused: what its event record will say. Reused; written inside a request, read after it. */
final class FaultNote {
    /** What a walk answers that refused. */
    static final long REFUSED = -2L;

    /** The port's SubstreamID, or negative. */
    private final int substream;
    private SmmuEvent event = SmmuEvent.C_BAD_STE;
    private boolean eventful;
    private DmaFault.Kind kind = DmaFault.Kind.BLOCKED;
    private boolean silent;
    private long syndrome;
    private long address;

    FaultNote(int substream) {
        this.substream = substream;
    }

    /** A structure that is merely not valid: nothing is attached. */
    long absent(SmmuEvent configurationEvent) {
        configuration(configurationEvent, true);
        kind = DmaFault.Kind.BLOCKED;
        return REFUSED;
    }

    /** The request is aborted without an event. */
    long silently() {
        eventful = false;
        silent = true;
        return REFUSED;
    }

    /** A configuration event without addresses. */
    long configuration(SmmuEvent configurationEvent, boolean recorded) {
        event = configurationEvent;
        eventful = true;
        kind = configurationEvent.kind();
        silent = !recorded;
        syndrome = 0;
        address = 0;
        return REFUSED;
    }

    /** A structure could not be fetched. */
    long fetch(SmmuEvent fetchEvent, long fetchAddress) {
        configuration(fetchEvent, true);
        address = fetchAddress & SmmuEvent.FETCH_ADDRESS;
        return REFUSED;
    }

    /** A translation table could not be fetched or updated. */
    long walkAbort(boolean stage2, int eventClass, long fetchAddress) {
        fetch(SmmuEvent.F_WALK_EABT, fetchAddress);
        syndrome = syndrome(stage2, eventClass);
        return REFUSED;
    }

    /** Stage 1 refused the request's own address. */
    long stage1(SmmuEvent translationEvent, boolean recorded) {
        configuration(translationEvent, recorded);
        syndrome = syndrome(false, SmmuEvent.CLASS_IN);
        return REFUSED;
    }

    /** Stage 2 refused an intermediate address. */
    long stage2(SmmuEvent translationEvent, int eventClass, boolean tableRead, long ipa, boolean recorded) {
        configuration(translationEvent, recorded);
        syndrome = syndrome(true, eventClass);
        if (translationEvent == SmmuEvent.F_PERMISSION && eventClass == SmmuEvent.CLASS_TT && tableRead) {
            syndrome |= SmmuEvent.TT_READ;
        }
        address = ipa & SmmuEvent.IPA;
        return REFUSED;
    }

    private static long syndrome(boolean stage2, int eventClass) {
        return (stage2 ? SmmuEvent.STAGE2 : 0) | (long) eventClass << SmmuEvent.CLASS_SHIFT;
    }

    /** Whether the request was refused for a reason that is an event, recorded or not. */
    boolean eventful() {
        return eventful;
    }

    /** The event, if {@link #eventful}. */
    SmmuEvent event() {
        return event;
    }

    DmaFault.Kind kind() {
        return kind;
    }

    boolean recorded() {
        return !silent;
    }

    /** First word of the record. */
    long word0(int streamId) {
        long word = event.number() | (long) streamId << SmmuEvent.STREAM_SHIFT;
        if (event == SmmuEvent.C_BAD_SUBSTREAMID) {
            return word | (long) Math.max(0, substream) << SmmuEvent.SUBSTREAM_SHIFT;   // always valid, no SSV
        }
        return substream < 0 ? word : word | SmmuEvent.SSV | (long) substream << SmmuEvent.SUBSTREAM_SHIFT;
    }

    /** Second word of the record. */
    long word1(boolean read) {
        return event.hasInputAddress() && read ? syndrome | SmmuEvent.READ : syndrome;
    }

    /** Third word of the record. */
    long word2(long inputAddress) {
        return event.hasInputAddress() ? inputAddress : 0;
    }

    /** Fourth word of the record. */
    long word3() {
        return address;
    }
}
