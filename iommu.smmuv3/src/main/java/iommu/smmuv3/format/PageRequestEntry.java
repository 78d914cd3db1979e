package iommu.smmuv3.format;

/** Page request queue entry (IHI 0070, chapter 8): two words. */
public final class PageRequestEntry {
    /** Size of an entry. */
    public static final int BYTES = 16;
    /** log2 of {@link #BYTES}. */
    public static final int BYTES_LG2 = 4;

    /** Word 0: StreamID. */
    public static final long STREAM = 0xffff_ffffL;
    /** Word 0: shift of SubstreamID, 20 bits. */
    public static final int SUBSTREAM_SHIFT = 32;
    /** SubstreamID once shifted down. */
    public static final int SUBSTREAM_MASK = 0xf_ffff;
    /** Word 0: privileged. */
    public static final long PRIVILEGED = 1L << 58;
    /** Word 0: to execute. */
    public static final long EXECUTE = 1L << 59;
    /** Word 0: to read. */
    public static final long READ = 1L << 60;
    /** Word 0: to write. */
    public static final long WRITE = 1L << 61;
    /** Word 0: the last of its group. */
    public static final long LAST = 1L << 62;
    /** Word 0: SubstreamID is valid. */
    public static final long SUBSTREAM_VALID = 1L << 63;
    /** Word 1: page address. */
    public static final long ADDRESS = ~0xfffL;
    /** Word 1: the group. */
    public static final long GROUP = 0x1ff;

    private PageRequestEntry() {}
}
