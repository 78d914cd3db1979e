package vmm.devices.nvme;

/**
 * The status field of a completion (NVMe 1.4, §4.6.1): code in bits 7:0, type in 10:8, More in 13, Do Not Retry in 14. The
 * constants carry Do Not Retry where the same command would fail again.
 */
final class NvmeStatus {
    /** Do Not Retry. */
    static final int DO_NOT_RETRY = 1 << 14;
    /** More: the error log tells more. */
    static final int MORE = 1 << 13;
    /** Code and type, without what comes beside them. */
    static final int CODE_AND_TYPE = 0x7ff;

    private static final int SPECIFIC = 1 << 8;
    private static final int MEDIA = 2 << 8;

    // Generic command status, §4.6.1.2.1
    static final int SUCCESS = 0;
    static final int INVALID_OPCODE = 0x01 | DO_NOT_RETRY;
    static final int INVALID_FIELD = 0x02 | DO_NOT_RETRY;
    static final int COMMAND_ID_CONFLICT = 0x03 | DO_NOT_RETRY;
    static final int DATA_TRANSFER_ERROR = 0x04;
    static final int ABORT_REQUESTED = 0x07;
    static final int ABORTED_QUEUE_DELETION = 0x08;
    static final int INVALID_NAMESPACE = 0x0b | DO_NOT_RETRY;
    static final int SEQUENCE_ERROR = 0x0c | DO_NOT_RETRY;
    static final int INVALID_SGL_SEGMENT = 0x0d | DO_NOT_RETRY;
    static final int INVALID_SGL_COUNT = 0x0e | DO_NOT_RETRY;
    static final int SGL_LENGTH_INVALID = 0x0f | DO_NOT_RETRY;
    static final int SGL_TYPE_INVALID = 0x11 | DO_NOT_RETRY;
    static final int PRP_OFFSET_INVALID = 0x13 | DO_NOT_RETRY;
    static final int WRITE_PROTECTED = 0x20 | DO_NOT_RETRY;
    static final int LBA_OUT_OF_RANGE = 0x80 | DO_NOT_RETRY;
    static final int CAPACITY_EXCEEDED = 0x81 | DO_NOT_RETRY;

    // Command specific status, §4.6.1.2.2
    static final int INVALID_COMPLETION_QUEUE = SPECIFIC | 0x00 | DO_NOT_RETRY;
    static final int INVALID_QUEUE_ID = SPECIFIC | 0x01 | DO_NOT_RETRY;
    static final int INVALID_QUEUE_SIZE = SPECIFIC | 0x02 | DO_NOT_RETRY;
    static final int EVENT_REQUEST_LIMIT = SPECIFIC | 0x05 | DO_NOT_RETRY;
    static final int INVALID_INTERRUPT_VECTOR = SPECIFIC | 0x08 | DO_NOT_RETRY;
    static final int INVALID_LOG_PAGE = SPECIFIC | 0x09 | DO_NOT_RETRY;
    static final int INVALID_FORMAT = SPECIFIC | 0x0a | DO_NOT_RETRY;
    static final int INVALID_QUEUE_DELETION = SPECIFIC | 0x0c | DO_NOT_RETRY;
    static final int FEATURE_NOT_SAVEABLE = SPECIFIC | 0x0d | DO_NOT_RETRY;
    static final int FEATURE_NOT_PER_NAMESPACE = SPECIFIC | 0x0f | DO_NOT_RETRY;

    // Media and data integrity errors, §4.6.1.2.3
    static final int WRITE_FAULT = MEDIA | 0x80;
    static final int UNRECOVERED_READ = MEDIA | 0x81;
    static final int COMPARE_FAILURE = MEDIA | 0x85;

    private NvmeStatus() {}

    /** Whether the medium failed, which the health log counts. */
    static boolean media(int status) {
        int code = status & CODE_AND_TYPE;
        return code == WRITE_FAULT || code == UNRECOVERED_READ;
    }

    /** First byte of the command that is to blame, for the error log; 0xffff if there is none in particular. */
    static int parameterErrorLocation(int status) {
        return switch (status & ~MORE) {
            case INVALID_OPCODE -> SubmissionEntry.OPCODE_OFFSET;
            case COMMAND_ID_CONFLICT -> SubmissionEntry.COMMAND_ID_OFFSET;
            case INVALID_NAMESPACE -> SubmissionEntry.NAMESPACE_OFFSET;
            case PRP_OFFSET_INVALID, INVALID_SGL_SEGMENT, INVALID_SGL_COUNT, SGL_LENGTH_INVALID, SGL_TYPE_INVALID ->
                SubmissionEntry.DATA_POINTER_OFFSET;
            case LBA_OUT_OF_RANGE -> SubmissionEntry.CDW10_OFFSET;
            default -> 0xffff;
        };
    }
}
