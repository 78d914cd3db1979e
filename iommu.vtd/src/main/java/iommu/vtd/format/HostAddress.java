package iommu.vtd.format;

import iommufd.api.memory.HostMemory;

/** The host address width (HAW): as wide as the physical window, so that no valid pointer leads out of it. */
public final class HostAddress {
    /** HAW. */
    public static final int BITS = Long.numberOfTrailingZeros(HostMemory.SIZE_BYTES);
    /** Bits of a 64-bit pointer that must be 0. */
    public static final long RESERVED = -1L << BITS;
    /** A 4 KiB aligned pointer. */
    public static final long PAGE = ~RESERVED & -1L << 12;
    /** Bits of a paging entry's address field (51:12) that must be 0. */
    public static final long RESERVED_IN_ENTRY = RESERVED & (1L << 52) - 1;
    /** Addresses {@code 0xFEEx_xxxx >>> INTERRUPT_SHIFT}: messages to interrupt controllers, not memory (§3.15). */
    public static final long INTERRUPT_RANGE = 0xFEE;
    /** See {@link #INTERRUPT_RANGE}. */
    public static final int INTERRUPT_SHIFT = 20;

    private HostAddress() {}
}
