package vfio.device;

/**
 * Requests with PASID (PCIe 5.0, §7.8.9). VFIO hides the structure from clients, as Linux does; the function can send PASIDs all
 * the same.
 *
 * @param widthBits 1 to 20
 * @param execute whether it asks for execute permission
 * @param privileged whether it has a privileged mode
 */
public record PasidCapability(int widthBits, boolean execute, boolean privileged) implements PciCapability {
    /** Extended capability id. */
    public static final int ID = 0x1B;
    private static final int CAPABILITY_OFFSET = 4;
    private static final int EXECUTE = 1 << 1;
    private static final int PRIVILEGED = 1 << 2;
    private static final int WIDTH_SHIFT = 8;

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
        bytes.set(CAPABILITY_OFFSET, 2, (execute ? EXECUTE : 0) | (privileged ? PRIVILEGED : 0) | widthBits << WIDTH_SHIFT);
    }
}
