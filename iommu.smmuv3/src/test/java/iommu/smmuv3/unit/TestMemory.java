package iommu.smmuv3.unit;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;

/** A part of the physical space for one test, and addresses around it where nothing is. */
final class TestMemory implements AutoCloseable {
    /** Far from what other kits use; tests of one JVM run one after the other. */
    static final long BASE = 1L << 41;
    /** Where no memory is, yet inside every output address size. */
    static final long HOLE = BASE + (1L << 32);

    private final long lengthBytes;
    private long taken;

    TestMemory(long lengthBytes) {
        this.lengthBytes = lengthBytes;
        HostMemory.backAnonymous(BASE, lengthBytes, false);
    }

    /** Zeroed memory. */
    long take(long bytes, long alignment) {
        long address = BASE + taken + alignment - 1 & -alignment;
        taken = address - BASE + bytes;
        if (taken > lengthBytes) {
            throw new IllegalStateException("the test needs more memory");
        }
        return address;
    }

    long page() {
        return take(4096, 4096);
    }

    static void words(long address, long... values) {
        for (int i = 0; i < values.length; i++) {
            PhysicalWords.set(address + i * 8L, values[i]);
        }
    }

    @Override
    public void close() {
        HostMemory.unback(BASE, lengthBytes);
    }
}
