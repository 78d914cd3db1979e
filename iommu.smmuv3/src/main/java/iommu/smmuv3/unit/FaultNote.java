package iommu.smmuv3.unit;

import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.dma.DmaFault;

/** Why the last walk of a port refused: what its event record will say. Reused; written inside a request, read after it. */
final class FaultNote {
    /** What a walk answers that refused. */
    static final long REFUSED = -2L;

    /** The port's SubstreamID, or negative. */
    private final int substream;
    private boolean privileged;
    private boolean instruction;
    private SmmuEvent event = SmmuEvent.C_BAD_STE;
    private boolean eventful;
    private DmaFault.Kind kind = DmaFault.Kind.BLOCKED;
    private boolean silent;
    private boolean stalls;
    private boolean completes;
    private long syndrome;
    private long address;

    FaultNote(int substream) {
        this.substream = substream;
    }

    /** What requests are, after the stream's overrides. @param fetches whether reads are instruction fetches */
    void attributes(boolean isPrivileged, boolean fetches) {
        privileged = isPrivileged;
        instruction = fetches;
    }

    /** A structure that is merely not valid: nothing is attached. */
    long absent(SmmuEvent configurationEvent) {
        configuration(configurationEvent, true);
        kind = DmaFault.Kind.BLOCKED;
        return REFUSED;
    }

    /** The request is aborted without an event. */
    long silently() {
        clear();
        eventful = false;
        silent = true;
        return REFUSED;
    }

    /** A configuration event without addresses. */
    long configuration(SmmuEvent configurationEvent, boolean recorded) {
        clear();
        event = configurationEvent;
        eventful = true;
        kind = configurationEvent.kind();
        silent = !recorded;
        return REFUSED;
    }

    /** The noted event is recorded, whatever was said before. */
    long recordAnyway() {
        silent = false;
        return REFUSED;
    }

    private void clear() {
        stalls = false;
        completes = false;
        syndrome = 0;
        address = 0;
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

    /**
     * Stage 1 refused the request's own address.
     *
     * @param stalling whether the request waits for software
     * @param aborting whether it is aborted, not completed with zeros, if it does not
     */
    long stage1(SmmuEvent translationEvent, boolean recorded, boolean stalling, boolean aborting) {
        configuration(translationEvent, recorded || stalling);
        syndrome = syndrome(false, SmmuEvent.CLASS_IN);
        stalls = stalling;
        completes = !aborting;
        return REFUSED;
    }

    /** Stage 2 refused an intermediate address. @param stalling as in {@link #stage1} */
    long stage2(SmmuEvent translationEvent, int eventClass, boolean tableRead, long ipa, boolean recorded, boolean stalling) {
        configuration(translationEvent, recorded || stalling);
        syndrome = syndrome(true, eventClass);
        if (translationEvent == SmmuEvent.F_PERMISSION && eventClass == SmmuEvent.CLASS_TT && tableRead) {
            syndrome |= SmmuEvent.TT_READ;
        }
        address = ipa & SmmuEvent.IPA;
        stalls = stalling;
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

    /** Whether the request waits until software says what becomes of it. */
    boolean stalls() {
        return stalls;
    }

    /** Whether the request, if it does not stall, is completed as if there were zeros. */
    boolean completes() {
        return completes;
    }

    /** Whether stage 2 refused. */
    boolean ofStage2() {
        return (syndrome & SmmuEvent.STAGE2) != 0;
    }

    /** What the refused access was for. */
    int eventClass() {
        return (int) (syndrome >>> SmmuEvent.CLASS_SHIFT) & SmmuEvent.CLASS_MASK;
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
        long direction = event.hasInputAddress() && read ? SmmuEvent.READ : 0;
        if (!event.hasAttributes()) {
            return syndrome | direction;
        }
        return syndrome | direction | (privileged ? SmmuEvent.PRIVILEGED : 0) | (instruction && read ? SmmuEvent.INSTRUCTION : 0);
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
