package vfio.device;

/**
 * Content of a capability, and what software may do to it: bits are read-only unless {@link #writable}; {@link #clearOnOne} bits
 * are cleared by writing 1. Offsets count from the capability's header. Not thread-safe.
 */
public final class CapabilityBytes {
    private final byte[] value;
    private final byte[] writable;
    private final byte[] clearOnOne;

    /** All 0 and read-only. */
    public CapabilityBytes(int lengthBytes) {
        value = new byte[lengthBytes];
        writable = new byte[lengthBytes];
        clearOnOne = new byte[lengthBytes];
    }

    /** Sets {@code widthBytes} bytes, little-endian. */
    public CapabilityBytes set(int offset, int widthBytes, long content) {
        put(value, offset, widthBytes, content);
        return this;
    }

    /** Lets software write the bits of {@code mask}. */
    public CapabilityBytes writable(int offset, int widthBytes, long mask) {
        put(writable, offset, widthBytes, mask);
        return this;
    }

    /** Lets software clear the bits of {@code mask} by writing 1. */
    public CapabilityBytes clearOnOne(int offset, int widthBytes, long mask) {
        put(clearOnOne, offset, widthBytes, mask);
        return this;
    }

    private static void put(byte[] bytes, int offset, int widthBytes, long content) {
        for (int i = 0; i < widthBytes; i++) {
            bytes[offset + i] = (byte) (content >>> i * Byte.SIZE);
        }
    }

    /** A byte's content. */
    public byte value(int offset) {
        return value[offset];
    }

    /** A byte's writable bits. */
    public byte writable(int offset) {
        return writable[offset];
    }

    /** A byte's bits that are cleared by writing 1. */
    public byte clearOnOne(int offset) {
        return clearOnOne[offset];
    }

    /** How many there are. */
    public int lengthBytes() {
        return value.length;
    }
}
