package iommu.tck;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PhysicalMemory;
import java.util.BitSet;

/** The memory of one test: RAM for DMA, taken from the system at first touch, and frames for tables. */
final class KitMemory implements PhysicalMemory, AutoCloseable {
    /** Most that {@link #take} can give altogether. */
    static final long RAM_BYTES = 5L << 30;

    /** Upper quarter of the physical space, away from what others in the same process use. */
    private static final long FIRST_SLOT = HostMemory.SIZE_BYTES / 4 * 3;
    private static final long SLOT_BYTES = 8L << 30;
    private static final long TABLES_OFFSET = 6L << 30;
    private static final long TABLES_BYTES = 512L << 20;
    private static final int SLOTS = (int) ((HostMemory.SIZE_BYTES - FIRST_SLOT) / SLOT_BYTES);
    private static final BitSet USED_SLOTS = new BitSet(SLOTS);
    private static final long GAP_BYTES = 64 << 10;

    private final int slot;
    private final long base;
    private final KitTables tables;
    private long taken;

    KitMemory() {
        synchronized (USED_SLOTS) {
            slot = USED_SLOTS.nextClearBit(0);
            if (slot == SLOTS) {
                throw new IommufdException(Errno.ENOMEM, SLOTS + " memories are open; close those of earlier tests");
            }
            USED_SLOTS.set(slot);
        }
        base = FIRST_SLOT + slot * SLOT_BYTES;
        HostMemory.backAnonymous(base, RAM_BYTES, false);
        HostMemory.backAnonymous(base + TABLES_OFFSET, TABLES_BYTES, false);
        tables = new KitTables(base + TABLES_OFFSET, TABLES_BYTES);
        rewind();
    }

    /** Physical address of memory nobody else took, with a gap to what was taken before. */
    long take(long lengthBytes, long alignment) {
        long address = base + taken + alignment - 1 & -alignment;
        if (address + lengthBytes + GAP_BYTES > base + RAM_BYTES) {
            throw new IllegalArgumentException("the kit's RAM has no %d bytes left".formatted(lengthBytes));
        }
        taken = address - base + lengthBytes + GAP_BYTES;
        return address;
    }

    /** Whether {@link #take} would succeed now. */
    boolean fits(long lengthBytes, long alignment) {
        return (taken + alignment - 1 & -alignment) + lengthBytes + GAP_BYTES <= RAM_BYTES;
    }

    /** Forgets what was taken. */
    void rewind() {
        taken = GAP_BYTES;
    }

    /** Physical address right after the RAM: no memory is there. */
    long hole() {
        return base + RAM_BYTES;
    }

    @Override
    public KitTables tables() {
        return tables;
    }

    @Override
    public GuestRam allocateGuestRam(long lengthBytes, boolean hugePages) {
        throw new IommufdException(Errno.ENOMEM, "the compatibility kit gives a backend frames, no guest RAM");
    }

    @Override
    public void close() {
        HostMemory.unback(base, RAM_BYTES);
        HostMemory.unback(base + TABLES_OFFSET, TABLES_BYTES);
        synchronized (USED_SLOTS) {
            USED_SLOTS.clear(slot);
        }
    }
}
