package vfio.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.List;

/**
 * Message signalled interrupts with a table in a BAR (PCI 3.0, §6.8.2). The host owns the table: accesses of clients to it reach
 * nobody, as in Linux.
 *
 * @param vectors 1 to 2048
 * @param tableBar which BAR holds the table
 * @param tableOffset where, a multiple of 8; 16 bytes for each vector
 * @param pendingBar which BAR holds the pending bits
 * @param pendingOffset where, a multiple of 8; one bit for each vector
 */
public record MsixCapability(int vectors, int tableBar, int tableOffset, int pendingBar, int pendingOffset) implements PciCapability {
    /** Capability id. */
    public static final int ID = 0x11;
    /** Message control: size of the table less one, function mask, enable. */
    public static final int CONTROL_OFFSET = 2;
    /** Enable bit of message control. */
    public static final int ENABLE = 1 << 15;
    /** Size of a vector's entry in the table. */
    public static final int ENTRY_BYTES = 16;
    private static final int TABLE_OFFSET = 4;
    private static final int PENDING_OFFSET = 8;
    private static final int MAX_VECTORS = 2048;

    /** @throws IommufdException {@link Errno#EINVAL} for what the capability cannot say */
    public MsixCapability {
        if (vectors < 1 || vectors > MAX_VECTORS || ((tableOffset | pendingOffset) & 7) != 0) {
            throw new IommufdException(Errno.EINVAL, "no MSI-X table has %d vectors at 0x%x, pending bits at 0x%x".formatted(vectors, tableOffset, pendingOffset));
        }
    }

    /** Size of the table. */
    public int tableBytes() {
        return vectors * ENTRY_BYTES;
    }

    void checkInside(List<Bar> bars) {
        long pendingBytes = (vectors + Long.SIZE - 1) / Long.SIZE * (long) Long.BYTES;
        boolean table = bars.stream().anyMatch(bar -> bar.index() == tableBar && tableOffset + (long) tableBytes() <= bar.sizeBytes());
        boolean pending = bars.stream().anyMatch(bar -> bar.index() == pendingBar && pendingOffset + pendingBytes <= bar.sizeBytes());
        if (!table || !pending) {
            throw new IommufdException(Errno.EINVAL, this + " does not lie in the function's BARs");
        }
    }

    @Override
    public int id() {
        return ID;
    }

    @Override
    public int lengthBytes() {
        return 12;
    }

    @Override
    public void describe(CapabilityBytes bytes) {
        bytes.set(CONTROL_OFFSET, 2, vectors - 1).set(TABLE_OFFSET, 4, tableOffset | tableBar).set(PENDING_OFFSET, 4, pendingOffset | pendingBar);
    }
}
