package iommu.vtd.format;

import iommufd.api.dma.DmaFault.Kind;

/** Why a request was refused (§7.1.3, Table 30), by the condition codes of the table; only what can occur here. */
public enum FaultReason {
    ROOT_ABSENT(0x01, false, Kind.BLOCKED, "root entry not present (LRT.2)"),
    CONTEXT_ABSENT(0x02, true, Kind.BLOCKED, "context entry not present (LCT.2)"),
    CONTEXT_INVALID(0x03, true, Kind.CONFIGURATION, "context entry programmed wrongly (LCT.4)"),
    ADDRESS_TOO_WIDE(0x04, true, Kind.ADDRESS_SIZE, "address beyond the address width (LGN.1)"),
    WRITE_DENIED(0x05, true, Kind.PERMISSION, "no write permission (LGN.2)"),
    READ_DENIED(0x06, true, Kind.PERMISSION, "no read permission (LGN.3)"),
    TABLE_UNREACHABLE(0x07, true, Kind.EXTERNAL_ABORT, "second-stage table without memory (LSS.1)"),
    ROOT_UNREACHABLE(0x08, false, Kind.EXTERNAL_ABORT, "root table without memory (LRT.1)"),
    CONTEXT_UNREACHABLE(0x09, false, Kind.EXTERNAL_ABORT, "context table without memory (LCT.1)"),
    ROOT_RESERVED(0x0A, false, Kind.CONFIGURATION, "reserved bit in root entry (LRT.3)"),
    CONTEXT_RESERVED(0x0B, true, Kind.CONFIGURATION, "reserved bit in context entry (LCT.3)"),
    TABLE_RESERVED(0x0C, true, Kind.CONFIGURATION, "reserved bit in second-stage entry (LSS.2)"),
    DEVICE_TLB_BLOCKED(0x0D, true, Kind.BLOCKED, "translation and translated requests are blocked (LCT.5)"),
    INTERRUPT_RANGE(0x0E, true, Kind.ADDRESS_SIZE, "address in the interrupt range (LGN.4)"),

    INTERRUPT_REQUEST_RESERVED(0x20, false, Kind.CONFIGURATION, "reserved bit in interrupt request"),
    INTERRUPT_INDEX_TOO_LARGE(0x21, false, Kind.ADDRESS_SIZE, "interrupt index beyond the table"),
    INTERRUPT_ABSENT(0x22, true, Kind.BLOCKED, "interrupt remapping entry not present"),
    INTERRUPT_TABLE_UNREACHABLE(0x23, false, Kind.EXTERNAL_ABORT, "interrupt remapping table without memory"),
    INTERRUPT_ENTRY_RESERVED(0x24, true, Kind.CONFIGURATION, "reserved bit in interrupt remapping entry"),
    COMPATIBILITY_BLOCKED(0x25, false, Kind.BLOCKED, "interrupt in compatibility format"),
    INTERRUPT_SOURCE_WRONG(0x26, true, Kind.BLOCKED, "interrupt from another source than its entry says"),
    POSTED_UNREACHABLE(0x27, true, Kind.EXTERNAL_ABORT, "posted interrupt descriptor without memory"),
    POSTED_RESERVED(0x28, true, Kind.CONFIGURATION, "reserved bit in posted interrupt descriptor"),
    NO_INTERRUPT(0x29, false, Kind.ADDRESS_SIZE, "request to the interrupt range that is no interrupt"),

    TABLE_MODE_INVALID(0x30, false, Kind.CONFIGURATION, "translation table mode not supported (RTA.1)"),
    PASID_IN_LEGACY_MODE(0x31, false, Kind.CONFIGURATION, "request with PASID in legacy mode (RTA.2)"),
    PAGE_REQUEST_IN_LEGACY_MODE(0x32, false, Kind.CONFIGURATION, "page request in legacy mode (RTA.3)"),
    ABORT_DMA_MODE(0x33, false, Kind.BLOCKED, "abort-dma mode (RTA.4)"),

    SCALABLE_ROOT_UNREACHABLE(0x38, false, Kind.EXTERNAL_ABORT, "scalable-mode root table without memory (SRT.1)"),
    SCALABLE_ROOT_ABSENT(0x39, false, Kind.BLOCKED, "scalable-mode root entry not present (SRT.2)"),
    SCALABLE_ROOT_RESERVED(0x3A, false, Kind.CONFIGURATION, "reserved bit in scalable-mode root entry (SRT.3)"),

    SCALABLE_CONTEXT_UNREACHABLE(0x40, false, Kind.EXTERNAL_ABORT, "scalable-mode context table without memory (SCT.1)"),
    SCALABLE_CONTEXT_ABSENT(0x41, true, Kind.BLOCKED, "scalable-mode context entry not present (SCT.2)"),
    SCALABLE_CONTEXT_RESERVED(0x42, true, Kind.CONFIGURATION, "reserved bit in scalable-mode context entry (SCT.3)"),
    SCALABLE_CONTEXT_INVALID(0x43, true, Kind.CONFIGURATION, "scalable-mode context entry programmed wrongly (SCT.4)"),
    DEVICE_TLB_DISABLED(0x44, true, Kind.BLOCKED, "translation and translated requests are disabled (SCT.5)"),
    PASIDS_DISABLED(0x45, true, Kind.BLOCKED, "requests with PASID are disabled (SCT.6)"),
    PASID_BEYOND_DIRECTORY(0x46, true, Kind.CONFIGURATION, "PASID beyond the PASID directory (SCT.7)"),
    PAGE_REQUESTS_DISABLED(0x47, true, Kind.BLOCKED, "page requests are disabled (SCT.8)"),
    PASID_IS_RID_PASID(0x48, true, Kind.CONFIGURATION, "PASID is that of requests without PASID (SCT.9)"),

    DIRECTORY_UNREACHABLE(0x50, false, Kind.EXTERNAL_ABORT, "PASID directory without memory (SPD.1)"),
    DIRECTORY_ABSENT(0x51, true, Kind.BLOCKED, "PASID directory entry not present (SPD.2)"),
    DIRECTORY_RESERVED(0x52, true, Kind.CONFIGURATION, "reserved bit in PASID directory entry (SPD.3)"),

    PASID_TABLE_UNREACHABLE(0x58, false, Kind.EXTERNAL_ABORT, "PASID table without memory (SPT.1)"),
    PASID_ABSENT(0x59, true, Kind.BLOCKED, "PASID table entry not present (SPT.2)"),
    PASID_RESERVED(0x5A, true, Kind.CONFIGURATION, "reserved bit in PASID table entry (SPT.3)"),
    PASID_INVALID(0x5B, true, Kind.CONFIGURATION, "PASID table entry programmed wrongly (SPT.4)"),

    SUPERVISOR_DISABLED(0x5D, true, Kind.PERMISSION, "privileged requests are disabled (SPT.6)"),

    FIRST_STAGE_UNREACHABLE(0x70, true, Kind.EXTERNAL_ABORT, "first-stage table without memory (SFS.1)"),
    FIRST_STAGE_ABSENT(0x71, true, Kind.TRANSLATION, "first-stage entry not present (SFS.2)"),
    FIRST_STAGE_RESERVED(0x72, true, Kind.CONFIGURATION, "reserved bit in first-stage entry (SFS.3)"),
    FIRST_STAGE_ROOT_UNREACHABLE(0x73, true, Kind.EXTERNAL_ABORT, "first-stage top table without memory (SFS.4)"),
    FIRST_STAGE_TOO_WIDE(0x74, true, Kind.ADDRESS_SIZE, "first-stage entry beyond the second stage's width (SFS.5)"),
    FIRST_STAGE_ROOT_DENIED(0x75, true, Kind.PERMISSION, "second stage denies reading the first-stage top table (SFS.6)"),
    FIRST_STAGE_TABLE_DENIED(0x76, true, Kind.PERMISSION, "second stage denies reading a first-stage table (SFS.7)"),
    FIRST_STAGE_UPDATE_DENIED(0x77, true, Kind.PERMISSION, "second stage denies marking a first-stage entry (SFS.8)"),
    FIRST_STAGE_NOT_COHERENT(0x90, true, Kind.CONFIGURATION, "first-stage entry to be marked by a walk that does not snoop (SFS.9)"),

    SECOND_STAGE_UNREACHABLE(0x78, true, Kind.EXTERNAL_ABORT, "second-stage table without memory (SSS.1)"),
    SECOND_STAGE_ABSENT(0x79, true, Kind.TRANSLATION, "second stage grants nothing (SSS.2)"),
    SECOND_STAGE_RESERVED(0x7A, true, Kind.CONFIGURATION, "reserved bit in second-stage entry (SSS.3)"),
    SECOND_STAGE_ROOT_UNREACHABLE(0x7B, true, Kind.EXTERNAL_ABORT, "second-stage top table without memory (SSS.4)"),
    SECOND_STAGE_NOT_COHERENT(0x7C, true, Kind.CONFIGURATION, "second-stage entry to be marked by a walk that does not snoop (SSS.5)"),

    NOT_CANONICAL(0x80, true, Kind.ADDRESS_SIZE, "address is not canonical (SGN.1)"),
    SUPERVISOR_PAGE(0x81, true, Kind.PERMISSION, "supervisor page (SGN.2)"),
    PASS_THROUGH_TOO_WIDE(0x83, true, Kind.ADDRESS_SIZE, "address beyond the host address width (SGN.4)"),
    SCALABLE_ADDRESS_TOO_WIDE(0x84, true, Kind.ADDRESS_SIZE, "address beyond the second stage's width (SGN.5)"),
    SCALABLE_WRITE_DENIED(0x85, true, Kind.PERMISSION, "no write permission (SGN.6)"),
    SCALABLE_READ_DENIED(0x86, true, Kind.PERMISSION, "no read permission (SGN.7)"),
    SCALABLE_INTERRUPT_RANGE(0x87, true, Kind.ADDRESS_SIZE, "address in the interrupt range (SGN.8)"),
    PASID_TOO_WIDE(0x89, true, Kind.CONFIGURATION, "PASID wider than the hardware supports (SGN.10)");

    private static final FaultReason[] BY_CODE = new FaultReason[256];

    static {
        for (FaultReason reason : values()) {
            BY_CODE[reason.code] = reason;
        }
    }

    private final int code;
    private final boolean qualified;
    private final Kind kind;
    private final String text;

    FaultReason(int code, boolean qualified, Kind kind, String text) {
        this.code = code;
        this.qualified = qualified;
        this.kind = kind;
        this.text = text;
    }

    /** The number in a {@link FaultRecord}. */
    public int code() {
        return code;
    }

    /** Whether the fault-processing-disable bit of a translation structure suppresses the record. */
    public boolean qualified() {
        return qualified;
    }

    /** Whether it is one of Table 15: an interrupt was blocked, or something that looked like one. */
    public boolean ofInterrupt() {
        return code >= 0x20 && code <= 0x2B;
    }

    /**
     * The reason in terms every vendor shares. Legacy mode has no reason of its own for a page that is not mapped: a missing
     * permission may be either.
     */
    public Kind kind() {
        return kind;
    }

    /** How a translation request ends that meets the condition (Table 30). */
    public Answer answer() {
        return switch (this) {
            case ROOT_ABSENT, CONTEXT_ABSENT, DEVICE_TLB_BLOCKED, PASID_IN_LEGACY_MODE, ABORT_DMA_MODE, SCALABLE_ROOT_ABSENT,
                    SCALABLE_CONTEXT_ABSENT, DEVICE_TLB_DISABLED, PASIDS_DISABLED, PASID_BEYOND_DIRECTORY, PASID_IS_RID_PASID,
                    PASID_TOO_WIDE -> Answer.UNSUPPORTED;
            case ADDRESS_TOO_WIDE, WRITE_DENIED, READ_DENIED, DIRECTORY_ABSENT, PASID_ABSENT, SUPERVISOR_DISABLED,
                    FIRST_STAGE_UNREACHABLE, FIRST_STAGE_ABSENT, FIRST_STAGE_RESERVED, FIRST_STAGE_ROOT_UNREACHABLE,
                    FIRST_STAGE_TOO_WIDE, FIRST_STAGE_ROOT_DENIED, FIRST_STAGE_TABLE_DENIED, FIRST_STAGE_UPDATE_DENIED,
                    FIRST_STAGE_NOT_COHERENT, SECOND_STAGE_ABSENT, NOT_CANONICAL, SUPERVISOR_PAGE, PASS_THROUGH_TOO_WIDE,
                    SCALABLE_ADDRESS_TOO_WIDE, SCALABLE_WRITE_DENIED, SCALABLE_READ_DENIED -> Answer.NOTHING_GRANTED;
            default -> Answer.ABORT;
        };
    }

    /** How a translation request ends that meets an error condition. */
    public enum Answer {
        /** Unsupported request. */
        UNSUPPORTED,
        /** Completer abort. */
        ABORT,
        /** Success without permissions: the device may ask for the page. Not recorded. */
        NOTHING_GRANTED
    }

    /** For a person. */
    public String text() {
        return text;
    }

    /** The reason with that number. @throws IllegalArgumentException if there is none */
    public static FaultReason of(int code) {
        FaultReason reason = code < 0 || code >= BY_CODE.length ? null : BY_CODE[code];
        if (reason == null) {
            throw new IllegalArgumentException("no fault reason 0x%x".formatted(code));
        }
        return reason;
    }
}
