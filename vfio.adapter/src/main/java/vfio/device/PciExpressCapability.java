package vfio.device;

/**
 * PCI Express (PCIe 5.0, §7.5.3), version 2 of the structure: an endpoint with function level reset. Functions that have it have
 * 4096 bytes of configuration space, others 256.
 *
 * @param rootComplexIntegrated whether it is part of the root complex rather than at the end of a link
 */
public record PciExpressCapability(boolean rootComplexIntegrated) implements PciCapability {
    /** Capability id. */
    public static final int ID = 0x10;
    /** Device control register. */
    public static final int DEVICE_CONTROL_OFFSET = 8;
    /** Bit of device control that starts a function level reset; reads as 0. */
    public static final int INITIATE_RESET = 1 << 15;
    private static final int FLAGS_OFFSET = 2;
    private static final int DEVICE_CAPABILITIES_OFFSET = 4;
    private static final int DEVICE_STATUS_OFFSET = 10;
    private static final int LINK_CAPABILITIES_OFFSET = 12;
    private static final int LINK_STATUS_OFFSET = 18;
    private static final int DEVICE_CAPABILITIES_2_OFFSET = 36;
    private static final int DEVICE_CONTROL_2_OFFSET = 40;
    private static final int VERSION_2 = 2;
    private static final int TYPE_SHIFT = 4;
    private static final int TYPE_ENDPOINT = 0;
    private static final int TYPE_INTEGRATED = 9;
    private static final int ROLE_BASED_ERRORS = 1 << 15;
    private static final int FUNCTION_LEVEL_RESET = 1 << 28;
    private static final int CONTROL_AT_RESET = 0x2810;
    private static final int PHANTOM_FUNCTIONS = 1 << 9;
    private static final int ERRORS_DETECTED = 0xF;
    private static final int LINK_8_GT_4_LANES = 0x43;
    private static final int COMPLETION_TIMEOUT_DISABLE = 1 << 4;
    private static final int ARI_FORWARDING = 1 << 5;

    @Override
    public int id() {
        return ID;
    }

    @Override
    public int lengthBytes() {
        return 60;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        int type = rootComplexIntegrated ? TYPE_INTEGRATED : TYPE_ENDPOINT;
        bytes.set(FLAGS_OFFSET, 2, VERSION_2 | type << TYPE_SHIFT);
        bytes.set(DEVICE_CAPABILITIES_OFFSET, 4, ROLE_BASED_ERRORS | FUNCTION_LEVEL_RESET);
        bytes.set(DEVICE_CONTROL_OFFSET, 2, CONTROL_AT_RESET).writable(DEVICE_CONTROL_OFFSET, 2, 0xFFFF & ~PHANTOM_FUNCTIONS);
        bytes.clearOnOne(DEVICE_STATUS_OFFSET, 2, ERRORS_DETECTED);
        if (!rootComplexIntegrated) {
            bytes.set(LINK_CAPABILITIES_OFFSET, 4, LINK_8_GT_4_LANES).set(LINK_STATUS_OFFSET, 2, LINK_8_GT_4_LANES);
        }
        bytes.set(DEVICE_CAPABILITIES_2_OFFSET, 4, COMPLETION_TIMEOUT_DISABLE).writable(DEVICE_CONTROL_2_OFFSET, 2, 0xFFFF & ~ARI_FORWARDING);
    }
}
