package vmm.devices.nvme;

/** Opcodes (NVMe 1.4, §5 and §6). */
final class Opcode {
    static final int DELETE_SUBMISSION_QUEUE = 0x00;
    static final int CREATE_SUBMISSION_QUEUE = 0x01;
    static final int GET_LOG_PAGE = 0x02;
    static final int DELETE_COMPLETION_QUEUE = 0x04;
    static final int CREATE_COMPLETION_QUEUE = 0x05;
    static final int IDENTIFY = 0x06;
    static final int ABORT = 0x08;
    static final int SET_FEATURES = 0x09;
    static final int GET_FEATURES = 0x0a;
    static final int ASYNC_EVENT_REQUEST = 0x0c;
    static final int FORMAT = 0x80;

    static final int FLUSH = 0x00;
    static final int WRITE = 0x01;
    static final int READ = 0x02;
    static final int COMPARE = 0x05;
    static final int WRITE_ZEROES = 0x08;
    static final int DATASET_MANAGEMENT = 0x09;
    static final int VERIFY = 0x0c;

    private static final int SUPPORTED = 1;
    private static final int CHANGES_CONTENT = 1 << 1;
    private static final int CHANGES_NAMESPACE = 1 << 2;
    private static final int NAMESPACE_TO_ITSELF = 1 << 16;

    private Opcode() {}

    /** What an admin command does, as the log of commands and their effects puts it (§5.14.1.5); 0 if there is none. */
    static int adminEffects(int opcode) {
        return switch (opcode) {
            case DELETE_SUBMISSION_QUEUE, CREATE_SUBMISSION_QUEUE, GET_LOG_PAGE, DELETE_COMPLETION_QUEUE, CREATE_COMPLETION_QUEUE, IDENTIFY,
                    ABORT, SET_FEATURES, GET_FEATURES, ASYNC_EVENT_REQUEST -> SUPPORTED;
            case FORMAT -> SUPPORTED | CHANGES_CONTENT | CHANGES_NAMESPACE | NAMESPACE_TO_ITSELF;
            default -> 0;
        };
    }

    /** The same of an I/O command. */
    static int ioEffects(int opcode) {
        return switch (opcode) {
            case READ, FLUSH, COMPARE, VERIFY -> SUPPORTED;
            case WRITE, WRITE_ZEROES, DATASET_MANAGEMENT -> SUPPORTED | CHANGES_CONTENT;
            default -> 0;
        };
    }

    /** Whether an I/O command may take long although it moves no data. */
    static boolean waitsForMedium(int opcode) {
        return opcode == FLUSH || opcode == WRITE_ZEROES || opcode == DATASET_MANAGEMENT;
    }
}
