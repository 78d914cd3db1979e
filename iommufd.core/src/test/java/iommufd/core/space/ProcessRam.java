package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Set;

/** Memory of a process that maps other pages at its addresses, has read-only ones, and ends. */
final class ProcessRam implements UserMemory {
    private final GuestRam ram;
    /** Which page of the RAM the process has at each of its pages. */
    private final int[] frames;
    final Set<Integer> readOnly = new HashSet<>();
    /** Pins tell these physical addresses instead, one per page; 0 for the truth. */
    final long[] told;
    boolean gone;
    int pinnedPages;

    ProcessRam(GuestRam ram, int pages) {
        this.ram = ram;
        frames = new int[pages];
        told = new long[pages];
        for (int page = 0; page < pages; page++) {
            frames[page] = page;
        }
    }

    /** The process maps other memory everywhere. @param shift by how many pages of the RAM */
    void mapAnew(int shift) {
        for (int page = 0; page < frames.length; page++) {
            frames[page] += shift;
        }
    }

    /** Fills a page of the RAM. */
    void fill(int frame, int value) {
        ram.segment().asSlice(frame * PAGE_BYTES, PAGE_BYTES).fill((byte) value);
    }

    byte byteOfFrame(int frame) {
        return ram.segment().get(ValueLayout.JAVA_BYTE, frame * PAGE_BYTES);
    }

    private int check(long address, boolean write) {
        int page = (int) (address / PAGE_BYTES);
        if (gone || page >= frames.length || write && readOnly.contains(page)) {
            throw new IommufdException(Errno.EFAULT, "no memory there");
        }
        return page;
    }

    @Override
    public Kind kind() {
        return Kind.PROCESS;
    }

    @Override
    public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
        for (long at = address; at < address + lengthBytes; at += PAGE_BYTES) {
            check(at, writable);
        }
        for (long at = address; at < address + lengthBytes; at += PAGE_BYTES) {
            int page = check(at, writable);
            runs.add(told[page] != 0 ? told[page] : ram.physicalAddress() + frames[page] * PAGE_BYTES, PAGE_BYTES);
            pinnedPages++;
        }
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        pinnedPages -= (int) (lengthBytes / PAGE_BYTES);
    }

    @Override
    public boolean readAsOwner(long address, MemorySegment target) {
        return copy(address, target, false);
    }

    @Override
    public boolean writeAsOwner(long address, MemorySegment source) {
        return copy(address, source, true);
    }

    private boolean copy(long address, MemorySegment bytes, boolean write) {
        if (gone) {
            return false;
        }
        for (long i = 0; i < bytes.byteSize(); i++) {
            int page = check(address + i, write);
            MemorySegment mine = HostMemory.WINDOW.asSlice(ram.physicalAddress() + frames[page] * PAGE_BYTES + (address + i) % PAGE_BYTES, 1);
            MemorySegment theirs = bytes.asSlice(i, 1);
            (write ? mine : theirs).copyFrom(write ? theirs : mine);
        }
        return true;
    }
}
