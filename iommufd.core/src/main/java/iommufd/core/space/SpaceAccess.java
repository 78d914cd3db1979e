package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;

/** Software access to one {@link IovaSpace}; what {@link iommufd.api.Access} is while connected. Thread-safe. */
public final class SpaceAccess implements AutoCloseable {
    SpaceAccess() { }

    /**
     * Pins a mapped range and appends its physical runs; all or nothing.
     *
     * @throws IommufdException {@link Errno#ENOENT} unless the range is mapped throughout; {@link Errno#EINVAL} if the
     *         range or the mappings behind it are not aligned to pages; {@link Errno#EPERM} to write a mapping made
     *         read-only; {@link Errno#EOVERFLOW}; {@link Errno#ENOMEM} beyond the limit, or what pinning the memory throws
     */
    public void pin(long iova, long lengthBytes, boolean writable, PinnedRuns runs) {
        throw new UnsupportedOperationException();
    }

    /** Releases one earlier {@link #pin} of exactly this range. @throws IommufdException {@link Errno#EINVAL} if there is none */
    public void unpin(long iova, long lengthBytes) {
        throw new UnsupportedOperationException();
    }

    /** Copies from IOVA; any alignment. @throws IommufdException as {@link #pin}, but never for alignment */
    public void read(long iova, MemorySegment target) {
        throw new UnsupportedOperationException();
    }

    /** Copies to IOVA; any alignment. @throws IommufdException as {@link #pin}, but never for alignment */
    public void write(long iova, MemorySegment source) {
        throw new UnsupportedOperationException();
    }

    /** Asks the client to unpin everything, releases what it left pinned, and disconnects. Idempotent. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
