package vfio.device;

/** A vendor's own structure (PCI 3.0, §6.7 and appendix H, id 9): what follows the length byte, all of it writable. */
public record VendorCapability(byte[] body) implements PciCapability {
    /** Capability id. */
    public static final int ID = 0x09;
    private static final int LENGTH_OFFSET = 2;
    private static final int BODY_OFFSET = 3;

    /** Copies {@code body}. */
    public VendorCapability {
        body = body.clone();
    }

    /** A copy. */
    @Override
    public byte[] body() {
        return body.clone();
    }

    @Override
    public int id() {
        return ID;
    }

    @Override
    public int lengthBytes() {
        return BODY_OFFSET + body.length;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(LENGTH_OFFSET, 1, lengthBytes());
        for (int i = 0; i < body.length; i++) {
            bytes.set(BODY_OFFSET + i, 1, body[i]).writable(BODY_OFFSET + i, 1, 0xFF);
        }
    }
}
