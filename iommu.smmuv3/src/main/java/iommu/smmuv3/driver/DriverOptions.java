package iommu.smmuv3.driver;

/**
 * What an operator chooses.
 *
 * @param granuleLg2 log2 of the smallest page: 12, 14 or 16
 * @param prefersStage2 plain page tables are second stages; then there are no PASIDs
 * @param messageWindowStart first IOVA of the MiB that is kept free for interrupt messages, a multiple of 1 MiB
 */
public record DriverOptions(int granuleLg2, boolean prefersStage2, long messageWindowStart) {
    /** Smallest page that page requests name. */
    static final long PAGE_BYTES = 4096;
    /** Size of the window for interrupt messages. */
    public static final long MESSAGE_WINDOW_BYTES = 1 << 20;
    /** Where Linux puts the window on Arm, whose machines have no memory there. */
    public static final long ARM_MESSAGE_WINDOW = 0x800_0000L;
    /** Where machines of x86 have no memory. */
    public static final long X86_MESSAGE_WINDOW = 0xFEE0_0000L;
    /** 4 KiB pages, first stages, the window for messages as on Arm. */
    public static final DriverOptions DEFAULT = new DriverOptions(12, false, ARM_MESSAGE_WINDOW);

    /** With the window for messages as on Arm. */
    public DriverOptions(int granuleLg2, boolean prefersStage2) {
        this(granuleLg2, prefersStage2, ARM_MESSAGE_WINDOW);
    }

    /** @throws IllegalArgumentException for another granule, or a window that does not begin at a MiB */
    public DriverOptions {
        if (granuleLg2 != 12 && granuleLg2 != 14 && granuleLg2 != 16) {
            throw new IllegalArgumentException("granules are of 2^12, 2^14 or 2^16 bytes, not 2^" + granuleLg2);
        }
        if ((messageWindowStart & MESSAGE_WINDOW_BYTES - 1) != 0) {
            throw new IllegalArgumentException("the window for messages is a MiB that begins at one, not at 0x%x".formatted(messageWindowStart));
        }
    }
}
