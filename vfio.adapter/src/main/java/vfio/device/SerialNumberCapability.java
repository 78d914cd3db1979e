package vfio.device;

/** A function's serial number (PCIe 5.0, §7.9.3). @param number EUI-64 */
public record SerialNumberCapability(long number) implements PciCapability {
    /** Extended capability id. */
    public static final int ID = 0x03;

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
        return 12;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(4, Long.BYTES, number);
    }
}
