package iommu.s390.format;

/**
 * Request and response of CALL LOGICAL PROCESSOR for its one command here, SET PCI FUNCTION. Offsets in bytes; the response follows the
 * request.
 */
public final class LogicalProcessorBlock {
    /** 16 bits: length of the request, {@link #REQUEST_BYTES}. */
    public static final int REQUEST_LENGTH = 0;
    /** 16 bits: {@link #SET_FUNCTION}. */
    public static final int COMMAND = 2;
    /** Handle of the function. */
    public static final int REQUEST_HANDLE = 16;
    /** 8 bits: {@link #ENABLE} or {@link #DISABLE}. */
    public static final int OPERATION = 22;
    /** 8 bits: number of DMA address spaces; 1 to enable. */
    public static final int ADDRESS_SPACES = 23;
    /** Length of the request. */
    public static final int REQUEST_BYTES = 32;

    /** 16 bits: length of the response, {@link #RESPONSE_BYTES}. */
    public static final int RESPONSE_LENGTH = REQUEST_BYTES;
    /** 16 bits: {@link #OK}, or why not. */
    public static final int RESPONSE = REQUEST_BYTES + 2;
    /** The handle that the function has now. */
    public static final int RESPONSE_HANDLE = REQUEST_BYTES + 16;
    /** Length of the response. */
    public static final int RESPONSE_BYTES = 32;
    /** Length of both. */
    public static final int BYTES = REQUEST_BYTES + RESPONSE_BYTES;

    /** Command: SET PCI FUNCTION. */
    public static final int SET_FUNCTION = 5;
    /** Operation: enable. */
    public static final int ENABLE = 0;
    /** Operation: disable; what was registered is gone. */
    public static final int DISABLE = 1;

    /** Response: done. */
    public static final int OK = 0x0010;
    /** Response: no such command. */
    public static final int UNKNOWN_COMMAND = 0x0020;
    /** Response: a length is wrong. */
    public static final int BAD_LENGTH = 0x0050;
    /** Response: no such handle. */
    public static final int BAD_HANDLE = 0x0101;
    /** Response: the handle is not one for this operation. */
    public static final int BAD_OPERATION = 0x0102;
    /** Response: an enabled function has a DMA address space. */
    public static final int NO_ADDRESS_SPACE = 0x0103;
    /** Response: not so many DMA address spaces. */
    public static final int INSUFFICIENT = 0x0104;
    /** Response: a request of the function has not ended; try again. */
    public static final int BUSY = 0x0108;

    private LogicalProcessorBlock() {}

    /** 16 bits. */
    public static int half(long address) {
        return address % 4 == 0 ? BigWords.getInt(address) >>> 16 : BigWords.getInt(address - 2) & 0xFFFF;
    }

    /** 8 bits. */
    public static int octet(long address) {
        return BigWords.getInt(address & -4) >>> 24 - 8 * (int) (address & 3) & 0xFF;
    }
}
