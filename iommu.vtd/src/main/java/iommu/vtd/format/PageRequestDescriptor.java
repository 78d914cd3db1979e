package iommu.vtd.format;

/** Page request descriptor (§7.4.1.1): 256 bits, the upper 128 zero. */
public final class PageRequestDescriptor {
    /** Size. */
    public static final int BYTES = 32;
    /** Second word: the page's address. */
    public static final long ADDRESS = -1L << 12;

    private static final long TYPE = 1;
    private static final long PASID_PRESENT = 1L << 8;
    private static final int SOURCE_SHIFT = 16;
    private static final int PASID_SHIFT = 32;
    private static final long EXECUTE = 1L << 52;
    private static final long PRIVILEGED = 1L << 53;
    private static final long READ = 1;
    private static final long WRITE = 1L << 1;
    private static final long LAST = 1L << 2;
    private static final int GROUP_SHIFT = 3;

    private PageRequestDescriptor() {}

    /** First word; {@code pasid} below 0 for none. */
    public static long first(int sourceId, int pasid, boolean execute, boolean privileged) {
        return TYPE | (long) sourceId << SOURCE_SHIFT | (pasid < 0 ? 0 : PASID_PRESENT | (long) pasid << PASID_SHIFT)
                | (execute ? EXECUTE : 0) | (privileged ? PRIVILEGED : 0);
    }

    /** Second word. */
    public static long second(long address, int group, boolean read, boolean write, boolean last) {
        return address & ADDRESS | (long) (group & 0x1FF) << GROUP_SHIFT | (last ? LAST : 0) | (write ? WRITE : 0) | (read ? READ : 0);
    }

    /** Source-id of a first word. */
    public static int sourceId(long first) {
        return (int) (first >>> SOURCE_SHIFT) & 0xFFFF;
    }

    /** The PASID of a first word, or -1. */
    public static int pasid(long first) {
        return (first & PASID_PRESENT) == 0 ? -1 : (int) (first >>> PASID_SHIFT) & 0xF_FFFF;
    }

    /** Whether a first word asks to execute. */
    public static boolean execute(long first) {
        return (first & EXECUTE) != 0;
    }

    /** Whether a first word is privileged. */
    public static boolean privileged(long first) {
        return (first & PRIVILEGED) != 0;
    }

    /** Whether a second word asks to read. */
    public static boolean read(long second) {
        return (second & READ) != 0;
    }

    /** Whether a second word asks to write. */
    public static boolean write(long second) {
        return (second & WRITE) != 0;
    }

    /** Whether a second word ends its group. */
    public static boolean last(long second) {
        return (second & LAST) != 0;
    }

    /** Group of a second word. */
    public static int group(long second) {
        return (int) (second >>> GROUP_SHIFT) & 0x1FF;
    }
}
