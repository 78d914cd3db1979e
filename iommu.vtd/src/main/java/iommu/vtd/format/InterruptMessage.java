package iommu.vtd.format;

/** Interrupt requests: DWORD writes to {@code FEEx_xxxx} (§5.1.2), and what comes out of the unit. */
public final class InterruptMessage {
    /** Address: remappable format. */
    public static final long REMAPPABLE = 1L << 4;
    /** Address: the data is a sub-handle. */
    public static final long SUBHANDLE_VALID = 1L << 3;
    /** Data with a sub-handle: must be 0. */
    public static final int SUBHANDLE_RESERVED = 0xFFFF_0000;

    private static final long BASE = 0xFEE0_0000L;
    private static final int LEVEL_ASSERTED = 1 << 14;

    private InterruptMessage() {}

    /** Handle of an address in remappable format. */
    public static int handle(long address) {
        return (int) (address >>> 5) & 0x7FFF | (int) (address >>> 2 & 1) << 15;
    }

    /** Address of a message in compatibility format, with the upper bits of x2APIC destinations above. */
    public static long address(int destination, boolean logical, boolean hint) {
        return Integer.toUnsignedLong(destination & ~0xFF) << 32 | BASE | (long) (destination & 0xFF) << 12
                | (hint ? 1 << 3 : 0) | (logical ? 1 << 2 : 0);
    }

    /** Data of a message in compatibility format, level asserted (§5.1.4). */
    public static int data(int vector, int deliveryMode, boolean levelTriggered) {
        return vector | deliveryMode << 8 | LEVEL_ASSERTED | (levelTriggered ? 1 << 15 : 0);
    }
}
