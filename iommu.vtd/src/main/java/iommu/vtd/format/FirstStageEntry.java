package iommu.vtd.format;

/** First-stage paging entry (§9.7): 64 bits, as of Intel 64 processors. */
public final class FirstStageEntry {
    /** The entry exists. */
    public static final long PRESENT = 1;
    /** Grants writes. */
    public static final long WRITE = 1L << 1;
    /** Grants user-level requests. */
    public static final long USER = 1L << 2;
    /** Hardware used the entry. */
    public static final long ACCESSED = 1L << 5;
    /** Hardware translated a write by this leaf. */
    public static final long DIRTY = 1L << 6;
    /** A leaf of 2 MiB or 1 GiB; reserved above, a memory type in a 4 KiB leaf. */
    public static final long PAGE_SIZE = 1L << 7;
    /** Hardware other than a processor used the entry, if enabled. */
    public static final long EXTENDED_ACCESSED = 1L << 10;
    /** Memory type of a large leaf: not part of its address. */
    public static final long LARGE_PAT = 1L << 12;
    /** Address of a table or a page. */
    public static final long ADDRESS = HostAddress.PAGE;
    /** Must be 0, besides the address bits below a large leaf's size. */
    public static final long LEAF_RESERVED = HostAddress.RESERVED_IN_ENTRY;
    /** Must be 0 in an entry that points to a table. */
    public static final long TABLE_RESERVED = LEAF_RESERVED | PAGE_SIZE;

    private FirstStageEntry() {}
}
