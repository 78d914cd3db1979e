package vfio.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Message signalled interrupts with 64-bit addresses (PCI 3.0, §6.8.1).
 *
 * @param vectors 1, 2, 4, 8, 16 or 32
 * @param maskable whether each vector can be masked
 */
public record MsiCapability(int vectors, boolean maskable) implements PciCapability {
    /** Capability id. */
    public static final int ID = 0x05;
    /** Message control: enable, and the number of messages as powers of two. */
    public static final int CONTROL_OFFSET = 2;
    /** Enable bit of message control. */
    public static final int ENABLE = 1;
    /** Message address, low half first. */
    public static final int ADDRESS_OFFSET = 4;
    private static final int CAPABLE_SHIFT = 1;
    private static final int ENABLED_VECTORS = 7 << 4;
    private static final int ADDRESS_64 = 1 << 7;
    private static final int MASKABLE = 1 << 8;
    private static final int DATA_OFFSET = 12;
    private static final int MASK_OFFSET = 16;
    private static final int MAX_VECTORS = 32;

    /** @throws IommufdException {@link Errno#EINVAL} for another number of vectors */
    public MsiCapability {
        if (Integer.bitCount(vectors) != 1 || vectors < 1 || vectors > MAX_VECTORS) {
            throw new IommufdException(Errno.EINVAL, "MSI has 1 to 32 vectors, a power of two, not " + vectors);
        }
    }

    @Override
    public int id() {
        return ID;
    }

    @Override
    public int lengthBytes() {
        return maskable ? 24 : 14;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        int capable = Integer.numberOfTrailingZeros(vectors) << CAPABLE_SHIFT;
        bytes.set(CONTROL_OFFSET, 2, capable | ADDRESS_64 | (maskable ? MASKABLE : 0)).writable(CONTROL_OFFSET, 2, ENABLE | ENABLED_VECTORS);
        bytes.writable(ADDRESS_OFFSET, 8, ~3L).writable(DATA_OFFSET, 2, 0xFFFF);
        if (maskable) {
            bytes.writable(MASK_OFFSET, 4, 0xFFFF_FFFFL >>> MAX_VECTORS - vectors);
        }
    }
}
