package iommu.s390.format;

/**
 * Entries of translation tables: 64 bits, big-endian. Region and segment tables have 2048 of them (16 KiB), page tables 256 (2 KiB).
 * There are no accessed and no dirty bits.
 */
public final class TableEntry {
    /** I of a region or segment entry: it designates nothing. */
    public static final long INVALID = 0x20;
    /** I of a page entry. */
    public static final long PAGE_INVALID = 0x400;
    /** P, at every level: what lies below may only be read. */
    public static final long PROTECTED = 0x200;
    /** FC of a segment entry: it is a leaf of 1 MiB. */
    public static final long FRAME = 0x400;
    /** Type of a region or segment entry. */
    public static final long TYPE = 0xC;
    /** Type of an entry in a region-first table. */
    public static final long REGION_FIRST = 0xC;
    /** Type of an entry in a region-second table. */
    public static final long REGION_SECOND = 0x8;
    /** Type of an entry in a region-third table. */
    public static final long REGION_THIRD = 0x4;
    /** Type of an entry in a segment table. */
    public static final long SEGMENT = 0;
    /** Length of the table that a region entry designates, in units of 4 KiB less one: only whole tables are taken. */
    public static final long LENGTH = 3;
    /** Offset of the table that a region entry designates, in units of 4 KiB: only whole tables are taken. */
    public static final long OFFSET = 0xC0;

    /** Where a region entry's table is. */
    public static final long TABLE_ORIGIN = ~0x3FFFL;
    /** Where a segment entry's page table is. */
    public static final long PAGE_TABLE_ORIGIN = ~0x7FFL;
    /** The frame of a segment entry with {@link #FRAME}. */
    public static final long SEGMENT_FRAME = ~0xF_FFFFL;
    /** The frame of a page entry. */
    public static final long PAGE_FRAME = ~0xFFFL;

    /** log2 of what a page entry maps. */
    public static final int PAGE_SHIFT = 12;
    /** log2 of what a segment entry maps. */
    public static final int SEGMENT_SHIFT = 20;
    /** log2 of what an entry of a region-third table covers. */
    public static final int REGION_THIRD_SHIFT = 31;
    /** Index bits of a page table. */
    public static final int PAGE_INDEX_BITS = 8;
    /** Index bits of all other tables. */
    public static final int INDEX_BITS = 11;

    private TableEntry() {}

    /** The type of entries that map {@code 1 << shift} bytes of addresses; {@code shift} above {@link #PAGE_SHIFT}. */
    public static long type(int shift) {
        return (shift - SEGMENT_SHIFT) / INDEX_BITS * REGION_THIRD;
    }
}
