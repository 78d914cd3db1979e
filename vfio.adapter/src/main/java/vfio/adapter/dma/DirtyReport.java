package vfio.adapter.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A client's bitmap of what was written: bits are added, none is cleared. Not thread-safe. */
public final class DirtyReport {
    /** Bytes of the bitmap looked at together. */
    private static final int WINDOW_BYTES = 4096;

    private final ClientMemory memory;
    private final long bitmapAddress;
    private final long start;
    private final int pageLg2;
    private final MemorySegment window = MemorySegment.ofArray(new byte[WINDOW_BYTES]);

    /**
     * @param bitmapAddress bit n of byte n/8 stands for page n of the range
     * @param start of the range
     * @param pageBytes what a bit stands for; a power of two
     */
    public DirtyReport(ClientMemory memory, long bitmapAddress, long start, long pageBytes) {
        this.memory = memory;
        this.bitmapAddress = bitmapAddress;
        this.start = start;
        this.pageLg2 = Long.numberOfTrailingZeros(pageBytes);
    }

    /**
     * Adds what the log has recorded of the range up to {@code last}, and makes it forget that.
     *
     * @throws IommufdException {@link Errno#EFAULT} if the bitmap cannot be written; what was not told is recorded still
     */
    public void fill(DmaLog log, long last) {
        long pages = (last - start >>> pageLg2) + 1;
        for (long firstPage = 0; firstPage < pages; firstPage += (long) WINDOW_BYTES * Byte.SIZE) {
            long count = Math.min((long) WINDOW_BYTES * Byte.SIZE, pages - firstPage);
            MemorySegment part = window.asSlice(0, (count + Byte.SIZE - 1) / Byte.SIZE);
            long address = bitmapAddress + firstPage / Byte.SIZE;
            memory.read(address, part);
            memory.write(address, part); // what cannot be written is not taken from the log
            long base = firstPage;
            long from = start + (firstPage << pageLg2);
            boolean lastPart = firstPage + count == pages;
            log.takeDirty(from, lastPart ? last : from + (count << pageLg2) - 1, (dirty, lastDirty) -> mark(part, base, dirty, lastDirty));
            memory.write(address, part);
        }
    }

    private void mark(MemorySegment part, long firstPage, long dirty, long lastDirty) {
        long last = (lastDirty - start >>> pageLg2) - firstPage;
        for (long bit = (dirty - start >>> pageLg2) - firstPage; bit <= last; bit++) {
            long at = bit / Byte.SIZE;
            part.set(ValueLayout.JAVA_BYTE, at, (byte) (part.get(ValueLayout.JAVA_BYTE, at) | 1 << bit % Byte.SIZE));
        }
    }
}
