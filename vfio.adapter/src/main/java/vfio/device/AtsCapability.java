package vfio.device;

/**
 * Address translation services (PCIe 5.0, §10.5.1). Enabling is the host's business; clients read it.
 *
 * @param queueDepth invalidations the function takes at once, 1 to 32
 */
public record AtsCapability(int queueDepth) implements PciCapability {
    /** Extended capability id. */
    public static final int ID = 0x0F;
    private static final int CAPABILITY_OFFSET = 4;
    private static final int DEPTH_MASK = 31;
    private static final int PAGE_ALIGNED = 1 << 5;

    @Override
    public int id() {
        return ID;
    }

    @Override
    public boolean extended() {
        return true;
    }

    @Override
    public int lengthBytes() {
        return 8;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(CAPABILITY_OFFSET, 2, queueDepth & DEPTH_MASK | PAGE_ALIGNED);
    }
}
