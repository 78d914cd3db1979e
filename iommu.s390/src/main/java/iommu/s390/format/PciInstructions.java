package iommu.s390.format;

/**
 * The instructions by which software drives zPCI, with the operands that they have in general registers. What the operands address is
 * memory. Thread-safe; an instruction is done, or refused, on return. Answers are {@link Outcome}s.
 */
public interface PciInstructions {
    /** Operation of MPCIFC: registers translation parameters. */
    int REGISTER = 4;
    /** Operation of MPCIFC: takes them away. */
    int DEREGISTER = 5;
    /** Operation of MPCIFC: exchanges them; DMA goes by the old ones or the new ones at any moment. */
    int REREGISTER = 6;
    /** Operation of MPCIFC: ends the error state. */
    int RESET_ERROR = 7;
    /** Operation of MPCIFC: lets loads and stores through in the error state; DMA stays blocked. */
    int RESET_BLOCK = 9;

    /**
     * MODIFY PCI FUNCTION CONTROLS.
     *
     * @param request see {@link #request}
     * @param blockAddress of a {@link FunctionBlock}
     */
    int modifyControls(long request, long blockAddress);

    /** STORE PCI FUNCTION CONTROLS; operands as {@link #modifyControls}, without an operation. */
    int storeControls(long request, long blockAddress);

    /**
     * REFRESH PCI TRANSLATIONS: no DMA uses translations of the range any more that its tables do not give.
     *
     * @param request see {@link #request}
     * @param lengthBytes unsigned; the range may reach beyond the end of all addresses
     */
    int refresh(long request, long iova, long lengthBytes);

    /** CALL LOGICAL PROCESSOR. @param blockAddress of a {@link LogicalProcessorBlock} */
    int callLogicalProcessor(long blockAddress);

    /** CHANNEL SUBSYSTEM CALL, store event information. @param blockAddress of an {@link EventBlock} */
    int storeEvent(long blockAddress);

    /** The first operand: a handle, a DMA address space, and an operation. */
    static long request(int handle, int addressSpace, int operation) {
        return (long) handle << 32 | (long) addressSpace << 16 | operation;
    }

    /** The handle of a request. */
    static int handle(long request) {
        return (int) (request >>> 32);
    }

    /** The DMA address space of a request. */
    static int addressSpace(long request) {
        return (int) (request >>> 16) & 0xFF;
    }

    /** The operation of a request. */
    static int operation(long request) {
        return (int) request & 0xFF;
    }
}
