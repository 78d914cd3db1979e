package iommu.s390.format;

import iommufd.api.dma.DmaFault;

/**
 * Why a function went into the error state: PCI event codes, under QEMU's names in comments. Which of them an invalid entry, a missing
 * table or the second translation raises is told by no public text; here each says what it stands for.
 */
public enum ErrorEvent {
    /** INVALAS: no translation parameters are registered, or there is no such DMA address space. */
    NOT_REGISTERED(0x1, DmaFault.Kind.BLOCKED, "no address translation is registered for the function"),
    /** OORANGE: below the base address, above the limit, or more than the tables describe. */
    OUT_OF_RANGE(0x2, DmaFault.Kind.ADDRESS_SIZE, "the address is outside what is registered for the function"),
    /** TPROTE: a write, and an entry on the way is protected. */
    PROTECTED(0x4, DmaFault.Kind.PERMISSION, "the page is protected against writes"),
    /** APROTE: a write, and the second translation is protected. */
    HOST_PROTECTED(0x5, DmaFault.Kind.PERMISSION, "the host protects the guest's page against writes"),
    /** INVALTE: an entry is invalid, or zero. */
    INVALID_ENTRY(0x7, DmaFault.Kind.TRANSLATION, "a translation table entry is invalid"),
    /** INVALTL: an entry designates less than a whole table. */
    BAD_LENGTH(0x8, DmaFault.Kind.CONFIGURATION, "a region table entry has a length or an offset that is not that of a whole table"),
    /** TT: an entry is of another table's type. */
    BAD_TYPE(0x9, DmaFault.Kind.CONFIGURATION, "a table entry has the type of another table"),
    /** SERR: a table, or what the second translation is to give, is not there. */
    UNREACHABLE(0xB, DmaFault.Kind.EXTERNAL_ABORT, "a translation table or a guest's page lies where there is no memory");

    private final int code;
    private final DmaFault.Kind kind;
    private final String text;

    ErrorEvent(int code, DmaFault.Kind kind, String text) {
        this.code = code;
        this.kind = kind;
        this.text = text;
    }

    /** The PCI event code. */
    public int code() {
        return code;
    }

    /** The reason in terms every vendor shares. */
    public DmaFault.Kind kind() {
        return kind;
    }

    /** The reason for a person. */
    public String text() {
        return text;
    }

    /** By its code. @throws IllegalArgumentException if there is none */
    public static ErrorEvent of(int code) {
        for (ErrorEvent event : values()) {
            if (event.code == code) {
                return event;
            }
        }
        throw new IllegalArgumentException("no PCI event of code 0x%x".formatted(code));
    }
}
