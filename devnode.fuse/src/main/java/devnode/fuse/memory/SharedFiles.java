package devnode.fuse.memory;

import devnode.fuse.memory.SharedFile.Extent;
import devnode.fuse.memory.SharedFile.Identity;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * The files of other processes that the window shows. A file that nothing is pinned of stays a little while, because it is often
 * mapped again at once; then it is let go, and its memory with it. Thread-safe.
 */
public final class SharedFiles {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final int SLOTS_PER_ROW = 512;
    private static final Executor LATER = CompletableFuture.delayedExecutor(PATIENCE_NANOS, TimeUnit.NANOSECONDS);

    private final ReentrantLock lock = new ReentrantLock();
    private final ClientRanges ranges = new ClientRanges();
    private final Map<Identity, SharedFile> files = new HashMap<>();
    /** By physical address: one slot for each {@link HostMemory#BACKING_BYTES}. */
    private final Extent[][] extents = new Extent[(int) ((HostMemory.SIZE_BYTES - HostMemory.CLIENT_MEMORY_START)
            / HostMemory.BACKING_BYTES / SLOTS_PER_ROW)][];
    /** Number of the file system whose files are nobody's memory. */
    private OptionalLong nodes = OptionalLong.empty();
    private boolean sweepPlanned;
    private boolean closed;

    /**
     * Pins nothing of this file system from now on: it is our own, and what clients map of it is memory of devices. The kernel tells
     * of such a mapping by the node's name, not by the file that is mapped.
     */
    public void refuse(long fileSystem) {
        lock.lock();
        try {
            nodes = OptionalLong.of(fileSystem);
        } finally {
            lock.unlock();
        }
    }

    /** Whether files of this file system are nodes. */
    boolean areNodes(long fileSystem) {
        lock.lock();
        try {
            return nodes.isPresent() && nodes.getAsLong() == fileSystem;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Pins a part of a file.
     *
     * @param opener opens the file if the window does not show it yet; empty if that is impossible now
     * @param beyondEnd the error if the file is shorter
     * @return false if {@code opener} could not open the file, with nothing pinned
     * @throws IommufdException {@link Errno#EFAULT} for memory of a device; if there is no memory, or none that may be written; nothing
     *         is pinned then
     */
    boolean pin(Identity identity, Supplier<OptionalInt> opener, long offset, long lengthBytes, boolean writable, Errno beyondEnd,
            PinnedRuns runs) {
        lock.lock();
        try {
            if (areNodes(identity.device())) {
                throw new IommufdException(Errno.EFAULT, "memory of a device, mapped from its node, cannot be pinned");
            }
            SharedFile file = files.get(identity);
            if (file == null) {
                OptionalInt opened = opener.get();
                if (opened.isEmpty()) {
                    return false;
                }
                file = new SharedFile(identity, opened.getAsInt());
                files.put(identity, file);
            }
            try {
                file.pin(this, offset, lengthBytes, writable, beyondEnd, runs);
            } finally {
                noteIdle(file);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Releases pins by physical address; neighbouring files may have become one run. */
    void unpin(long physicalAddress, long lengthBytes) {
        lock.lock();
        try {
            long end = physicalAddress + lengthBytes;
            for (long at = physicalAddress; at < end;) {
                Extent extent = extents[row(at)][slot(at)];
                long partEnd = Math.min(end, extent.physicalAddress() + extent.lengthBytes());
                if (extent.file().unpin(partEnd - at)) {
                    noteIdle(extent.file());
                }
                at = partEnd;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Files the window shows now. */
    public int count() {
        lock.lock();
        try {
            return files.size();
        } finally {
            lock.unlock();
        }
    }

    /** Lets go of every file as soon as nothing of it is pinned. */
    public void close() {
        lock.lock();
        try {
            closed = true;
            sweep();
        } finally {
            lock.unlock();
        }
    }

    Extent show(SharedFile file, long fileOffset, long lengthBytes, long alignment, int descriptor, boolean writable) {
        assert lock.isHeldByCurrentThread();
        long physicalAddress = ranges.take(lengthBytes, alignment);
        try {
            if (writable) {
                HostMemory.backFile(physicalAddress, lengthBytes, descriptor, fileOffset);
            } else {
                HostMemory.backFileUnwritten(physicalAddress, lengthBytes, descriptor, fileOffset);
            }
        } catch (IommufdException refused) {
            ranges.give(physicalAddress);
            throw refused;
        }
        Extent extent = new Extent(file, fileOffset, physicalAddress, lengthBytes);
        fill(extent, extent);
        return extent;
    }

    void hide(Extent extent) {
        assert lock.isHeldByCurrentThread();
        HostMemory.unback(extent.physicalAddress(), extent.lengthBytes());
        fill(extent, null);
        ranges.give(extent.physicalAddress());
    }

    private void fill(Extent extent, Extent value) {
        long end = extent.physicalAddress() + extent.lengthBytes();
        for (long at = extent.physicalAddress(); at < end; at += HostMemory.BACKING_BYTES) {
            int row = row(at);
            if (extents[row] == null) {
                extents[row] = new Extent[SLOTS_PER_ROW];
            }
            extents[row][slot(at)] = value;
        }
    }

    private void noteIdle(SharedFile file) {
        if (file.isPinned()) {
            return;
        }
        file.idleSinceNanos = System.nanoTime();
        if (closed) {
            sweep();
        } else if (!sweepPlanned) {
            sweepPlanned = true;
            LATER.execute(this::sweepLater);
        }
    }

    private void sweepLater() {
        lock.lock();
        try {
            sweepPlanned = false;
            if (sweep() && !sweepPlanned) {
                sweepPlanned = true;
                LATER.execute(this::sweepLater);
            }
        } finally {
            lock.unlock();
        }
    }

    /** @return whether files are left that may go soon */
    private boolean sweep() {
        long now = System.nanoTime();
        files.values().removeIf(file -> {
            boolean go = !file.isPinned() && (closed || now - file.idleSinceNanos >= PATIENCE_NANOS);
            if (go) {
                file.close(this);
            }
            return go;
        });
        return files.values().stream().anyMatch(file -> !file.isPinned());
    }

    private static int row(long physicalAddress) {
        return (int) ((physicalAddress - HostMemory.CLIENT_MEMORY_START) / HostMemory.BACKING_BYTES / SLOTS_PER_ROW);
    }

    private static int slot(long physicalAddress) {
        return (int) (physicalAddress / HostMemory.BACKING_BYTES % SLOTS_PER_ROW);
    }
}
