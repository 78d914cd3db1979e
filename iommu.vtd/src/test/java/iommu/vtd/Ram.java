package iommu.vtd;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;

/** Physical memory for tests that build structures by hand: 1 GiB, aligned, used from the bottom up. */
public final class Ram {
    /** First address. */
    public static final long BASE = 1L << 38;
    /** Size; only what is touched is taken from the system. */
    public static final long BYTES = 1L << 30;
    /** An aligned gigabyte in which there is no memory. */
    public static final long HOLE = BASE + 4 * BYTES;

    static {
        HostMemory.backAnonymous(BASE, BYTES, false);
    }

    private long next = BASE;

    /** A zeroed, aligned page. */
    public long frame() {
        return frames(1);
    }

    /** Zeroed, contiguous pages, aligned to their size. */
    public long frames(int count) {
        long bytes = 4096L * count;
        long address = next + bytes - 1 & -bytes;
        next = address + bytes;
        HostMemory.WINDOW.asSlice(address, bytes).fill((byte) 0);
        return address;
    }

    /** Stores a word. */
    public static void word(long address, long value) {
        PhysicalWords.set(address, value);
    }

    /** Loads a word. */
    public static long word(long address) {
        return PhysicalWords.get(address);
    }

    /** Bytes at a physical address. */
    public static MemorySegment bytes(long address, long length) {
        return HostMemory.WINDOW.asSlice(address, length);
    }
}
