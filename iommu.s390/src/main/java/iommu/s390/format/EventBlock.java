package iommu.s390.format;

/**
 * What CHANNEL SUBSYSTEM CALL stores of one event: the response, and in it the error record of a function (content code 1 of
 * notification type 2). Offsets in bytes.
 */
public final class EventBlock {
    /** 16 bits: length of the response. */
    public static final int LENGTH = 0;
    /** 16 bits: {@link #STORED} or {@link #NOTHING}. */
    public static final int RESPONSE = 2;
    /** 8 bits: notification type, 2 for PCI. */
    public static final int TYPE = 7;
    /** 8 bits: {@link #MORE}. */
    public static final int FLAGS = 8;
    /** 8 bits: content code, 1 for an error. */
    public static final int CONTENT = 11;

    /** Handle of the function. */
    public static final int HANDLE = 68;
    /** The function's number, which does not change. */
    public static final int FUNCTION = 72;
    /** {@link #qualifier}. */
    public static final int QUALIFIER = 76;
    /** The address that failed. */
    public static final int ADDRESS = 80;
    /** 16 bits: {@link ErrorEvent#code}. */
    public static final int EVENT_CODE = 94;
    /** Size of the block. */
    public static final int BYTES = 96;

    /** Response: an event was stored. */
    public static final int STORED = 0x0001;
    /** Response: there is none. */
    public static final int NOTHING = 0x0005;
    /** Flag: there are more. */
    public static final int MORE = 0x80;
    /** Value of {@link #TYPE}. */
    public static final int PCI = 2;
    /** Value of {@link #CONTENT}. */
    public static final int ERROR = 1;

    /** Of the qualifier: the request was a write. Linux names the bit; that one means a write is this model's reading. */
    public static final int WRITE = 1;
    /** Of the qualifier: lowest bit of the expected table type. */
    public static final int TABLE_SHIFT = 28;
    /** Expected table type where the event is about no table. */
    public static final int NO_TABLE = 0;

    private EventBlock() {}

    /**
     * The word at {@link #QUALIFIER}: table type 31:28, MSI vector 27:16, DMA address space 15:8, qualified 1, write 0.
     *
     * @param tableType the designation type ({@link TranslationAnchor}) of the table whose entry is wrong. Linux names the field and
     *        says no values: these are this model's reading
     */
    public static int qualifier(int tableType, boolean write) {
        return tableType << TABLE_SHIFT | (write ? WRITE : 0);
    }
}
