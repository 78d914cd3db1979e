package iommu.s390.format;

/**
 * The function information block (FIB): 80 bytes, on a multiple of 8, that MODIFY PCI FUNCTION CONTROLS reads and STORE PCI FUNCTION
 * CONTROLS fills. Offsets in bytes. Interruption and measurement fields are the machine's, not the translation's: read as zero,
 * ignored on write.
 */
public final class FunctionBlock {
    /** Size. */
    public static final int BYTES = 80;
    /** 8 bits: the format, {@link #PLAIN} or {@link #NESTED}. */
    public static final int FORMAT = 0;
    /** 8 bits: function controls, {@link #ENABLED} and what follows. */
    public static final int CONTROLS = 8;
    /** PCI base address: the lowest address DMA may use; the low 12 bits count as zeros. */
    public static final int BASE = 16;
    /** PCI address limit: the highest address DMA may use; the low 12 bits count as ones. */
    public static final int LIMIT = 24;
    /** The {@link TranslationAnchor}. */
    public static final int ANCHOR = 32;
    /**
     * The anchor of a second translation, under the tables and the results of the first; in format {@link #NESTED} only, where other
     * formats have the address of an interruption bit vector. This model's own: no published zPCI nests in hardware.
     */
    public static final int HOST_ANCHOR = 48;

    /** Format: addresses in {@link #ANCHOR} and in its tables are absolute. */
    public static final int PLAIN = 0;
    /** Format: they are translated by {@link #HOST_ANCHOR}. This model's own. */
    public static final int NESTED = 0x71;

    /** Control: the function is enabled. */
    public static final int ENABLED = 0x80;
    /** Control: it is in the error state, and its DMA blocked. */
    public static final int ERROR = 0x40;
    /** Control: load and store to it are blocked. */
    public static final int LOAD_STORE_BLOCKED = 0x20;
    /** Control: translation parameters are registered. */
    public static final int REGISTERED = 0x10;

    private FunctionBlock() {}
}
