package vfio.device;

/**
 * Page request interface (PCIe 5.0, §10.5.2). Enabling is the host's business; clients read it.
 *
 * @param outstandingRequests requests the function has on their way at most
 */
public record PageRequestCapability(int outstandingRequests) implements PciCapability {
    /** Extended capability id. */
    public static final int ID = 0x13;
    private static final int STATUS_OFFSET = 6;
    private static final int STOPPED = 1 << 8;
    private static final int CAPACITY_OFFSET = 8;

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
        return 16;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(STATUS_OFFSET, 2, STOPPED).set(CAPACITY_OFFSET, 4, outstandingRequests);
    }
}
