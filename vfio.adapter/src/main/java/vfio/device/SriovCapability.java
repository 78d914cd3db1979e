package vfio.device;

/**
 * Single root I/O virtualization of a physical function (PCIe 5.0, §9.3.3). Clients read it; virtual functions are devices of
 * their own.
 *
 * @param virtualFunctions how many there can be
 * @param firstOffset from the function's routing id to the first one's
 * @param stride from one to the next
 * @param deviceId their device id
 */
public record SriovCapability(int virtualFunctions, int firstOffset, int stride, int deviceId) implements PciCapability {
    /** Extended capability id. */
    public static final int ID = 0x10;
    private static final int INITIAL_OFFSET = 0x0C;
    private static final int TOTAL_OFFSET = 0x0E;
    private static final int FIRST_OFFSET = 0x14;
    private static final int STRIDE_OFFSET = 0x16;
    private static final int DEVICE_ID_OFFSET = 0x1A;
    private static final int PAGE_SIZES_OFFSET = 0x1C;
    private static final int SYSTEM_PAGE_SIZE_OFFSET = 0x20;
    /** 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB, which every function must support. */
    private static final int ALL_PAGE_SIZES = 0x553;

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
        return 64;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(INITIAL_OFFSET, 2, virtualFunctions).set(TOTAL_OFFSET, 2, virtualFunctions);
        bytes.set(FIRST_OFFSET, 2, firstOffset).set(STRIDE_OFFSET, 2, stride).set(DEVICE_ID_OFFSET, 2, deviceId);
        bytes.set(PAGE_SIZES_OFFSET, 4, ALL_PAGE_SIZES).set(SYSTEM_PAGE_SIZE_OFFSET, 4, 1);
    }
}
