package iommu.vtd.driver;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.util.HashMap;
import java.util.Map;

/** Frames that are never used twice, counted, and that run out on demand. */
final class ScratchTables implements TableMemory {
    private static final long BASE = 1L << 39;
    private static final long BYTES = 256L << 20;

    static {
        HostMemory.backAnonymous(BASE, BYTES, false);
    }

    private final Map<Long, Integer> used = new HashMap<>();
    private long next = BASE;
    private long inUse;
    private int untilFailure = -1;

    ScratchTables() {
        HostMemory.WINDOW.asSlice(BASE, 16 << 20).fill((byte) 0);
    }

    /** Lets the n-th allocation from now on fail, and all after it; negative for never. */
    void failAfter(int allocations) {
        untilFailure = allocations;
    }

    @Override
    public long baseAddress() {
        return BASE;
    }

    @Override
    public long lengthBytes() {
        return BYTES;
    }

    @Override
    public synchronized long allocate(int sizeLg2) {
        if (untilFailure == 0) {
            throw new IommufdException(Errno.ENOMEM, "no frame left for this test");
        }
        untilFailure--;
        long size = 1L << sizeLg2;
        long address = next + size - 1 & -size;
        next = address + size;
        HostMemory.WINDOW.asSlice(address, size).fill((byte) 0);
        used.put(address, sizeLg2);
        inUse += size;
        return address;
    }

    @Override
    public synchronized void free(long physicalAddress, int sizeLg2) {
        if (!Integer.valueOf(sizeLg2).equals(used.remove(physicalAddress))) {
            throw new IllegalStateException("0x%x is not in use".formatted(physicalAddress));
        }
        HostMemory.WINDOW.asSlice(physicalAddress, 1L << sizeLg2).fill((byte) 0x5A);
        inUse -= 1L << sizeLg2;
    }

    @Override
    public synchronized long bytesInUse() {
        return inUse;
    }
}
