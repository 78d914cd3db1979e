package iommu.s390.format;

/** The I/O translation anchor (IOTA): 64 bits of a {@link FunctionBlock} that say where a function's tables are. */
public final class TranslationAnchor {
    /** T: addresses are translated; without it they are memory addresses behind the PCI base address. */
    public static final long TRANSLATE = 0x800;
    /** P: nothing may be written, whatever the tables say. Known from QEMU only. */
    public static final long PROTECTED = 0x200;
    /** Storage key; checked by nobody here. */
    public static final long KEY = 0x1E0;
    /** Lowest bit of the designation type, of 3 bits. */
    public static final int TYPE_SHIFT = 2;
    /** Frame size of a designated page frame; unused by the designation types of tables. */
    public static final long FRAME_SIZE = 3;
    /** Where a table is: tables lie on 16 KiB. */
    public static final long ORIGIN = ~0x3FFFL;

    /** Designation type: the origin of a segment table; 31-bit addresses. */
    public static final int SEGMENT_TABLE = 0;
    /** Designation type: the origin of a region-third table; 42-bit addresses. */
    public static final int REGION_THIRD_TABLE = 1;
    /** Designation type: the origin of a region-second table; 53-bit addresses. */
    public static final int REGION_SECOND_TABLE = 2;
    /** Designation type: the origin of a region-first table; all addresses. */
    public static final int REGION_FIRST_TABLE = 3;
    /** Designation type: a page frame. Named by Linux, used by nobody, refused here. */
    public static final int PAGE_FRAME = 4;
    /** Designation type: an I/O page frame; as {@link #PAGE_FRAME}. */
    public static final int IO_PAGE_FRAME = 5;
    /** Designation type: the origin of an I/O page table; as {@link #PAGE_FRAME}. */
    public static final int IO_PAGE_TABLE = 7;

    private TranslationAnchor() {}

    /** The designation type. */
    public static int type(long anchor) {
        return (int) (anchor >>> TYPE_SHIFT) & 7;
    }

    /** An anchor that translates by a table. */
    public static long of(long origin, int type) {
        return origin | TRANSLATE | (long) type << TYPE_SHIFT;
    }

    /** Bits of the addresses that tables of this designation type describe; 0 if it designates none. */
    public static int addressBits(int type) {
        return switch (type) {
            case SEGMENT_TABLE -> 31;
            case REGION_THIRD_TABLE -> 42;
            case REGION_SECOND_TABLE -> 53;
            case REGION_FIRST_TABLE -> 64;
            default -> 0;
        };
    }
}
