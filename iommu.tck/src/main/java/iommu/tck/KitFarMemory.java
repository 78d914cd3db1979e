package iommu.tck;

import iommufd.api.memory.FarMemory;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/** Far memory of one test: pages that are there only where they were put. Not thread-safe. */
final class KitFarMemory implements FarMemory {
    private static final int PAGE_BYTES = 4096;

    private final Map<Long, byte[]> pages = new HashMap<>();

    /** Puts zero-filled memory at {@code [physicalAddress, physicalAddress + lengthBytes)}, whole pages. */
    void put(long physicalAddress, long lengthBytes) {
        for (long done = 0; done < lengthBytes; done += PAGE_BYTES) {
            pages.putIfAbsent((physicalAddress + done) / PAGE_BYTES, new byte[PAGE_BYTES]);
        }
    }

    /** Takes all memory away, as a process that ends. */
    void vanish() {
        pages.clear();
    }

    byte[] bytes(long physicalAddress, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        if (!read(physicalAddress, MemorySegment.ofArray(bytes))) {
            throw new IllegalArgumentException("the test put no memory at 0x%x".formatted(physicalAddress));
        }
        return bytes;
    }

    @Override
    public boolean read(long physicalAddress, MemorySegment target) {
        return copy(physicalAddress, target, true);
    }

    @Override
    public boolean write(long physicalAddress, MemorySegment source) {
        return copy(physicalAddress, source, false);
    }

    private boolean copy(long physicalAddress, MemorySegment other, boolean reading) {
        for (long done = 0; done < other.byteSize();) {
            byte[] page = pages.get((physicalAddress + done) / PAGE_BYTES);
            if (page == null) {
                return false;
            }
            long inside = (physicalAddress + done) % PAGE_BYTES;
            long part = Math.min(PAGE_BYTES - inside, other.byteSize() - done);
            MemorySegment mine = MemorySegment.ofArray(page).asSlice(inside, part);
            MemorySegment theirs = other.asSlice(done, part);
            (reading ? theirs : mine).copyFrom(reading ? mine : theirs);
            done += part;
        }
        return true;
    }
}
