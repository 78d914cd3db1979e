package iommu.smmuv3.format;

import iommufd.api.dma.DmaFault;

/** Event record (IHI 0070, §7.3): four words. */
public enum SmmuEvent {
    /** §7.3.3. */
    C_BAD_STREAMID(0x02, DmaFault.Kind.BLOCKED, "the stream table has no entry for this stream"),
    /** §7.3.4. */
    F_STE_FETCH(0x03, DmaFault.Kind.EXTERNAL_ABORT, "the stream table entry lies where there is no memory"),
    /** §7.3.5. */
    C_BAD_STE(0x04, DmaFault.Kind.CONFIGURATION, "the stream table entry is invalid"),
    /** §7.3.6. */
    F_BAD_ATS_TREQ(0x05, DmaFault.Kind.BLOCKED, "the stream may not ask for translations"),
    /** §7.3.7. */
    F_STREAM_DISABLED(0x06, DmaFault.Kind.BLOCKED, "the stream takes no such requests without, or with, SubstreamID"),
    /** §7.3.8. */
    F_TRANSL_FORBIDDEN(0x07, DmaFault.Kind.BLOCKED, "the stream may not use translated addresses"),
    /** §7.3.9. */
    C_BAD_SUBSTREAMID(0x08, DmaFault.Kind.BLOCKED, "the stream has no such SubstreamID"),
    /** §7.3.10. */
    F_CD_FETCH(0x09, DmaFault.Kind.EXTERNAL_ABORT, "the context descriptor lies where there is no memory"),
    /** §7.3.11. */
    C_BAD_CD(0x0a, DmaFault.Kind.CONFIGURATION, "the context descriptor is invalid"),
    /** §7.3.12. */
    F_WALK_EABT(0x0b, DmaFault.Kind.EXTERNAL_ABORT, "a translation table lies where there is no memory"),
    /** §7.3.13. */
    F_TRANSLATION(0x10, DmaFault.Kind.TRANSLATION, "nothing is mapped there"),
    /** §7.3.14. */
    F_ADDR_SIZE(0x11, DmaFault.Kind.ADDRESS_SIZE, "the translated address is too large"),
    /** §7.3.15. */
    F_ACCESS(0x12, DmaFault.Kind.TRANSLATION, "the access flag is clear"),
    /** §7.3.16. */
    F_PERMISSION(0x13, DmaFault.Kind.PERMISSION, "mapped, but not for this access");

    /** Size of a record. */
    public static final int BYTES = 32;
    /** log2 of {@link #BYTES}. */
    public static final int BYTES_LG2 = 5;

    /** Word 0: the event's number. */
    public static final long NUMBER = 0xff;
    /** Word 0: SubstreamID is valid. */
    public static final long SSV = 1L << 11;
    /** Word 0: shift of SubstreamID, 20 bits. */
    public static final int SUBSTREAM_SHIFT = 12;
    /** Word 0: shift of StreamID. */
    public static final int STREAM_SHIFT = 32;
    /** Word 1: token of a stalled request. */
    public static final long STALL_TAG = 0xffff;
    /** Word 1: the request is stalled. */
    public static final long STALL = 1L << 31;
    /** Word 1: the request was privileged. */
    public static final long PRIVILEGED = 1L << 33;
    /** Word 1: the request was an instruction fetch. */
    public static final long INSTRUCTION = 1L << 34;
    /** Word 1: the request was a read. */
    public static final long READ = 1L << 35;
    /** Word 1: the fault is of stage 2. */
    public static final long STAGE2 = 1L << 39;
    /** Word 1: shift of the class. */
    public static final int CLASS_SHIFT = 40;
    /** Mask of the class once shifted down. */
    public static final int CLASS_MASK = 3;
    /** Class: fetching a context descriptor. */
    public static final int CLASS_CD = 0;
    /** Class: fetching a stage 1 descriptor. */
    public static final int CLASS_TT = 1;
    /** Class: the request's own address. */
    public static final int CLASS_IN = 2;
    /** Word 1, F_PERMISSION with {@link #CLASS_TT}: reading the descriptor was refused, not updating it. */
    public static final long TT_READ = 1L << 44;
    /** Word 3: address of a structure. */
    public static final long FETCH_ADDRESS = 0x00FF_FFFF_FFFF_FFF8L;
    /** Word 3: intermediate physical address. */
    public static final long IPA = 0x00FF_FFFF_FFFF_F000L;

    private static final SmmuEvent[] BY_NUMBER = new SmmuEvent[256];

    static {
        for (SmmuEvent event : values()) {
            BY_NUMBER[event.number] = event;
        }
    }

    private final int number;
    private final DmaFault.Kind kind;
    private final String text;

    SmmuEvent(int number, DmaFault.Kind kind, String text) {
        this.number = number;
        this.kind = kind;
        this.text = text;
    }

    /** Event number. */
    public int number() {
        return number;
    }

    /** The reason in terms every vendor shares. */
    public DmaFault.Kind kind() {
        return kind;
    }

    /** The reason for a person. */
    public String text() {
        return name() + ": " + text;
    }

    /** Whether the record has the request's address and direction. */
    public boolean hasInputAddress() {
        return this == F_TRANSL_FORBIDDEN || this == F_BAD_ATS_TREQ || hasAttributes();
    }

    /** Whether the record says if the request was privileged or a fetch. */
    public boolean hasAttributes() {
        return number >= F_WALK_EABT.number;
    }

    /** The event of a record's first word. @throws IllegalArgumentException for a number no unit of this model writes */
    public static SmmuEvent of(long word0) {
        SmmuEvent event = BY_NUMBER[(int) (word0 & NUMBER)];
        if (event == null) {
            throw new IllegalArgumentException("no event has the number 0x%x".formatted(word0 & NUMBER));
        }
        return event;
    }
}
