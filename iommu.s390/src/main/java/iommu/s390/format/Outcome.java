package iommu.s390.format;

/**
 * How an instruction ended, as an {@code int}: condition code in bits 1:0, status in bits 15:8, and in bits 31:16 the code of a program
 * interruption, in which case nothing was done.
 */
public final class Outcome {
    /** Condition code: done. */
    public static final int DONE = 0;
    /** Condition code: not done; the status says why. */
    public static final int REFUSED = 1;
    /** Condition code: busy, try again. */
    public static final int BUSY = 2;
    /** Condition code: no such function, or not enabled. */
    public static final int NO_FUNCTION = 3;

    /** Status of RPCIT, with 16: what Linux answers by refreshing everything. */
    public static final int RESOURCES_UNAVAILABLE = 4;
    /** Status of RPCIT: it has put the function into the error state. */
    public static final int FUNCTION_IN_ERROR = 8;
    /** Status: resources are insufficient. */
    public static final int RESOURCES_INSUFFICIENT = 16;
    /** Status of MPCIFC: not in this state, such as registered already, or not registered. */
    public static final int SEQUENCE = 24;
    /** Status: no such DMA address space; there is number 0. */
    public static final int ADDRESS_SPACE = 28;
    /** Status: the function is in the error state and must be reset. */
    public static final int ERROR_RECOVERY = 40;

    /** Program interruption: an operand lies where there is no memory. */
    public static final int ADDRESSING = 0x05;
    /** Program interruption: an operand is misaligned. */
    public static final int SPECIFICATION = 0x06;
    /** Program interruption: an operand has no such value. */
    public static final int OPERAND = 0x15;

    private Outcome() {}

    /** Not done, for {@code status}. */
    public static int refused(int status) {
        return REFUSED | status << 8;
    }

    /** A program interruption. */
    public static int interruption(int code) {
        return code << 16;
    }

    /** The condition code. */
    public static int condition(int outcome) {
        return outcome & 3;
    }

    /** The status; 0 unless {@link #REFUSED}. */
    public static int status(int outcome) {
        return outcome >>> 8 & 0xFF;
    }

    /** The program interruption; 0 for none. */
    public static int interruptionOf(int outcome) {
        return outcome >>> 16;
    }

    /** For people. */
    public static String text(int outcome) {
        return interruptionOf(outcome) != 0 ? "program interruption 0x%02x".formatted(interruptionOf(outcome))
                : "condition code %d, status %d".formatted(condition(outcome), status(outcome));
    }
}
