package devnode.fuse.memory;

import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A file in the window, once, however many processes map it wherever. It keeps the file open, so its inode number stays its own.
 * Guarded by the lock of {@link SharedFiles}.
 */
final class SharedFile {
    /** Most of a file that is shown in one piece: sparse files are larger than the window. */
    private static final long MAX_EXTENT_BYTES = 64L << 30;
    /** From this size on a file is placed for pages of 1 GiB. */
    private static final long GIANT_BYTES = 1L << 30;

    final Identity identity;
    private final int file;
    private final FileStatus status = new FileStatus();
    /** By file offset. */
    private final TreeMap<Long, Extent> extents = new TreeMap<>();
    /** Pinned last: mostly the next one as well, and found without allocating. */
    private Optional<Extent> lastExtent = Optional.empty();
    private boolean writable;
    private long pinnedBytes;
    long idleSinceNanos;

    /** What makes two mappings show the same file. */
    record Identity(long device, long inode) {
        boolean is(long otherDevice, long otherInode) {
            return device == otherDevice && inode == otherInode;
        }
    }

    /** A part of the file in the window. */
    record Extent(SharedFile file, long fileOffset, long physicalAddress, long lengthBytes) {
        long endOffset() {
            return fileOffset + lengthBytes;
        }

        boolean covers(long offset, long endOffset) {
            return offset >= fileOffset && endOffset <= endOffset();
        }
    }

    /** @param file open descriptor, from now on this object's */
    SharedFile(Identity identity, int file) {
        this.identity = identity;
        this.file = file;
        this.writable = (Linux.fcntl(file, Linux.F_GETFL, 0) & Linux.O_ACCMODE) == Linux.O_RDWR;
    }

    /**
     * @param beyondEnd what is wrong when the file is shorter
     * @throws IommufdException if there is no memory, or none that may be written
     */
    void pin(SharedFiles window, long offset, long lengthBytes, boolean willWrite, Errno beyondEnd, PinnedRuns runs) {
        status.load(file);
        long pageEnd = status.sizeBytes() + 4095 & -4096L;
        if (offset < 0 || lengthBytes > pageEnd - offset) {
            throw new IommufdException(beyondEnd, "the file ends at 0x%x, before 0x%x + 0x%x".formatted(status.sizeBytes(), offset, lengthBytes));
        }
        boolean known = lastExtent.isPresent() && lastExtent.get().covers(offset, offset + lengthBytes);
        for (long at = offset; !known && at < offset + lengthBytes;) {
            at = extentAt(window, at, offset + lengthBytes).endOffset();
        }
        if (willWrite && !writable) {
            throw new IommufdException(Errno.EFAULT, "the file may only be read, because of its permissions or its seals");
        }
        if (!known) {
            lastExtent = Optional.of(extents.floorEntry(offset).getValue());
        }
        Extent extent = lastExtent.get();
        for (long at = offset; ; extent = extents.get(at)) {
            long end = Math.min(offset + lengthBytes, extent.endOffset());
            runs.add(extent.physicalAddress + at - extent.fileOffset, end - at);
            if (end == offset + lengthBytes) {
                break;
            }
            at = end;
        }
        pinnedBytes += lengthBytes;
    }

    /** @return whether nothing of it is pinned any more */
    boolean unpin(long lengthBytes) {
        pinnedBytes -= lengthBytes;
        assert pinnedBytes >= 0 : "more was unpinned than pinned";
        return pinnedBytes == 0;
    }

    boolean isPinned() {
        return pinnedBytes > 0;
    }

    /** Takes it out of the window and closes it. */
    void close(SharedFiles window) {
        assert !isPinned();
        extents.values().forEach(window::hide);
        extents.clear();
        Linux.close(file);
    }

    private Extent extentAt(SharedFiles window, long offset, long wantedEnd) {
        Map.Entry<Long, Extent> below = extents.floorEntry(offset);
        if (below != null && below.getValue().endOffset() > offset) {
            return below.getValue();
        }
        long page = Math.max(HostMemory.BACKING_BYTES, Long.highestOneBit(status.blockBytes()));
        long alignment = status.sizeBytes() >= GIANT_BYTES ? Math.max(page, GIANT_BYTES) : page;
        long start = offset & -alignment;
        if (below != null) {
            start = Math.max(start, below.getValue().endOffset());
        }
        long end = Math.max(wantedEnd, Math.min(status.sizeBytes(), start + MAX_EXTENT_BYTES)) + page - 1 & -page;
        Map.Entry<Long, Extent> above = extents.higherEntry(offset);
        if (above != null) {
            end = Math.min(end, above.getKey());
        }
        Extent extent = show(window, start, end - start, alignment);
        extents.put(start, extent);
        return extent;
    }

    private Extent show(SharedFiles window, long start, long lengthBytes, long alignment) {
        List<IommufdException> refusals = new ArrayList<>(1);
        if (writable) {
            try {
                return window.show(this, start, lengthBytes, alignment, file, true);
            } catch (IommufdException sealed) {
                refusals.add(sealed);
            }
        }
        Extent extent = window.show(this, start, lengthBytes, alignment, file, false);
        if (!refusals.isEmpty() && !extents.isEmpty()) {
            window.hide(extent); // it was not seals: parts of it are mapped for writing
            throw refusals.getFirst();
        }
        writable = false;
        return extent;
    }
}
