package iommu.vtd.format;

/** Second-stage paging entry (§9.8): 64 bits. There is no present bit: an entry exists if it grants something. */
public final class SecondStageEntry {
    /** Grants reads. */
    public static final long READ = 1;
    /** Grants writes. */
    public static final long WRITE = 1L << 1;
    /** {@link #READ} and {@link #WRITE}. */
    public static final long ACCESS = READ | WRITE;
    /** A leaf of 2 MiB or 1 GiB; reserved above, ignored in a 4 KiB leaf. */
    public static final long PAGE_SIZE = 1L << 7;
    /** Hardware used the entry. */
    public static final long ACCESSED = 1L << 8;
    /** Hardware translated a write by this leaf. */
    public static final long DIRTY = 1L << 9;
    /** Snoop; leaves only. */
    public static final long SNOOP = 1L << 11;
    /** I/O write; reserved because second-stage I/O permissions are not supported. */
    public static final long IO_WRITE = 1L << 62;
    /** Address of a table or a page. */
    public static final long ADDRESS = HostAddress.PAGE;
    /** Must be 0 in a leaf, besides the address bits below its size. */
    public static final long LEAF_RESERVED = HostAddress.RESERVED_IN_ENTRY | IO_WRITE;
    /** Must be 0 in an entry that points to a table. */
    public static final long TABLE_RESERVED = LEAF_RESERVED | SNOOP | PAGE_SIZE;

    private SecondStageEntry() {}
}
