package vfio.device;

/** Power states D0 and D3hot (PCI Power Management 1.2, §3.2); nothing is lost on the way back to D0, no wake-up events. */
public record PowerManagementCapability() implements PciCapability {
    /** Capability id. */
    public static final int ID = 0x01;
    /** Control and status register; the power state is in bits 1:0. */
    public static final int CONTROL_OFFSET = 4;
    private static final int CAPABILITIES_OFFSET = 2;
    private static final int VERSION_1_2 = 3;
    private static final int NO_SOFT_RESET = 1 << 3;
    private static final int POWER_STATE = 3;

    @Override
    public int id() {
        return ID;
    }

    @Override
    public int lengthBytes() {
        return 8;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(CAPABILITIES_OFFSET, 2, VERSION_1_2).set(CONTROL_OFFSET, 2, NO_SOFT_RESET).writable(CONTROL_OFFSET, 2, POWER_STATE);
    }
}
