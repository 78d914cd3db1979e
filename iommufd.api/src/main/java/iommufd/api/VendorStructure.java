package iommufd.api;

import java.util.Arrays;

/**
 * A structure in a vendor's format: the number of its type, and bytes in native byte order. A client may pass a length and an
 * address where nothing can be read; who looks at type and length first refuses such a structure as Linux does.
 *
 * <p>Immutable.
 */
public abstract sealed class VendorStructure permits NestedTable, ViommuTable {
    private static final byte[] NOTHING = {};

    private final int type;
    private final long lengthBytes;
    private final byte[] bytes;
    /** Null if the bytes are there. */
    private final IommufdException unreadable;

    VendorStructure(int type, byte[] bytes) {
        this.type = type;
        this.bytes = bytes.clone();
        lengthBytes = bytes.length;
        unreadable = null;
    }

    VendorStructure(int type, long lengthBytes, IommufdException unreadable) {
        this.type = type;
        this.lengthBytes = lengthBytes;
        this.unreadable = unreadable;
        bytes = NOTHING;
    }

    /** Number of its type. */
    public final int type() {
        return type;
    }

    /** What {@link #bytes} has, or would have: 0 to 2^32 - 1. */
    public final long lengthBytes() {
        return lengthBytes;
    }

    /**
     * A copy of the structure. Ask for it once type and length are known to be right.
     *
     * @throws IommufdException {@link Errno#EFAULT} if the client passed an address where it cannot be read
     */
    public final byte[] bytes() {
        if (unreadable != null) {
            throw unreadable;
        }
        return bytes.clone();
    }

    @Override
    public final boolean equals(Object other) {
        return other instanceof VendorStructure that && getClass() == that.getClass() && type == that.type && lengthBytes == that.lengthBytes
                && unreadable == that.unreadable && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public final int hashCode() {
        return 31 * type + Arrays.hashCode(bytes);
    }

    @Override
    public final String toString() {
        return "%s of type 0x%x, %d bytes".formatted(getClass().getSimpleName(), type, lengthBytes);
    }
}
