package iommufd.api;

import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Software access of an emulated device to an address space. It holds no page table: reads and writes are copies, and pins
 * give the physical runs behind an IOVA range until they are unpinned.
 */
@ProviderType
public non-sealed interface Access extends IommufdObject {
    /** Connects it. @throws IommufdException {@link Errno#EINVAL} if it is connected already */
    void attach(Ioas ioas);

    /** Connects it to another address space; the client is asked to unpin everything first. */
    void replace(Ioas ioas);

    /** Disconnects it; the client is asked to unpin everything first. */
    void detach();

    /** The address space, if connected. */
    Optional<Ioas> ioas();

    /**
     * Pins a mapped range and appends its physical runs, which may be {@linkplain iommufd.api.memory.FarMemory far}.
     *
     * @param writable whether the client will write
     * @throws IommufdException {@link Errno#ENOENT} if the range is not mapped throughout; {@link Errno#EINVAL} if it is not
     *         aligned to pages; {@link Errno#EPERM} if it asks to write a read-only mapping
     */
    void pin(long iova, long lengthBytes, boolean writable, PinnedRuns runs);

    /** Releases exactly one earlier {@link #pin} of the same range. */
    void unpin(long iova, long lengthBytes);

    /** Copies from IOVA to {@code target}, all of it or an error; {@link View#OWNER}. @throws IommufdException as {@link #pin} */
    default void read(long iova, MemorySegment target) {
        read(iova, target, View.OWNER);
    }

    /** Copies {@code source} to IOVA; {@link View#OWNER}. @throws IommufdException as {@link #pin} */
    default void write(long iova, MemorySegment source) {
        write(iova, source, View.OWNER);
    }

    /** As {@link #read(long, MemorySegment)}. */
    void read(long iova, MemorySegment target, View view);

    /** As {@link #write(long, MemorySegment)}. */
    void write(long iova, MemorySegment source, View view);

    /** Which memory a copy reaches where a process has mapped something else since its pages were pinned. */
    enum View {
        /** What the process has there now; what is pinned once the process is gone. */
        OWNER,
        /**
         * What devices reach: pinned pages, and elsewhere what the process has there now. As in Linux, a copy that stays within one
         * page is as {@link #OWNER}.
         */
        DEVICE
    }
}
