package iommu.vtd.format;

/**
 * Root entry (§9.1): 128 bits per bus, {@code P 0, CTP 63:12}, upper half reserved. Scalable-mode root entry (§9.2): the same
 * word twice, the lower for devices 0 to 15, the upper for 16 to 31.
 */
public final class RootEntry {
    /** Size of an entry. */
    public static final int BYTES = 16;
    /** The context table exists. */
    public static final long PRESENT = 1;
    /** Must be 0 in a present word. */
    public static final long RESERVED = 0xFFE | HostAddress.RESERVED;

    private RootEntry() {}
}
