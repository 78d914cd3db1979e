package iommu.vtd.format;

import iommufd.api.memory.FarMemory;

/**
 * The host address width (HAW, §8.1): it covers the physical window and the far memory behind it. A unit does not report it in a
 * register, only the firmware in its DMAR table; the guest address width it does report (MGAW) is never less.
 */
public final class HostAddress {
    /** HAW. */
    public static final int BITS = Long.numberOfTrailingZeros(FarMemory.END);
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
