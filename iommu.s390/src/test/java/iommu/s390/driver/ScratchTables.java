package iommu.s390.driver;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.util.HashMap;
import java.util.Map;

/** Frames that are never used twice, counted. */
final class ScratchTables implements TableMemory {
    private static final long BASE = 1L << 39;
    private static final long BYTES = 256L << 20;

    private static long next = BASE;

    static {
        HostMemory.backAnonymous(BASE, BYTES, false);
    }

    private final Map<Long, Integer> used = new HashMap<>();
    private long inUse;

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
        long size = 1L << sizeLg2;
        long address = fresh(size);
        HostMemory.WINDOW.asSlice(address, size).fill((byte) 0);
        used.put(address, sizeLg2);
        inUse += size;
        return address;
    }

    private static synchronized long fresh(long size) {
        long address = next + size - 1 & -size;
        if (address + size > BASE + BYTES) {
            throw new IommufdException(Errno.ENOMEM, "no frame left for these tests");
        }
        next = address + size;
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
