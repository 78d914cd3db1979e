package iommufd.api.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Memory that can be mapped into an IO address space: of a process, of a file, of a component in this runtime. Thread-safe.
 *
 * <p>Two {@code UserMemory} that show the same page must pin it as the same physical address.
 */
@ConsumerType
public interface UserMemory {
    /** Smallest piece that can be pinned. */
    long PAGE_BYTES = 4096;

    /** Where the memory comes from; the uAPI treats the kinds differently. */
    enum Kind {
        /** Addresses are virtual addresses of a process ({@code IOMMU_IOAS_MAP}). */
        PROCESS,
        /** Addresses are offsets of a file ({@code IOMMU_IOAS_MAP_FILE}). */
        FILE,
        /** Addresses are offsets of memory a device exports; it may be revoked and only be mapped whole. */
        EXPORTED
    }

    /** Where the memory comes from. */
    Kind kind();

    /**
     * Pins whole pages, all or nothing, and appends their physical runs. Pinned pages stay where they are, also when their
     * owner lets go of them, until {@link #unpin}.
     *
     * @param address multiple of {@link #PAGE_BYTES}
     * @param lengthBytes multiple of {@link #PAGE_BYTES}, not 0
     * @param writable whether devices will write
     * @throws IommufdException {@link Errno#EFAULT} if there is no memory, or none that may be written;
     *         {@link Errno#EINVAL} if a file ends before; {@link Errno#ENOMEM}; {@link Errno#ENODEV} once revoked.
     *         {@code runs} is then as it was.
     */
    void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs);

    /**
     * Keeps the memory usable until {@link #release}, whatever becomes of the place it was had from. Address spaces retain memory for
     * as long as they map it. Counted; does not fail.
     */
    default void retain() { }

    /** Ends one {@link #retain}; what is pinned stays pinned. Never fails. */
    default void release() { }

    /**
     * Copies what the owner would read there now, which need not be what is pinned.
     *
     * @param target native or on the heap; its content is undefined after a failure
     * @return false if this memory has nobody who maps it anew, or he is gone; whoever copies then pins
     * @throws IommufdException {@link Errno#EFAULT} if the owner could not read all of it himself
     */
    default boolean readAsOwner(long address, MemorySegment target) {
        return false;
    }

    /**
     * Copies to where the owner would write now. After a failure a part may have been written.
     *
     * @param source native or on the heap
     * @return as {@link #readAsOwner}
     * @throws IommufdException {@link Errno#EFAULT} if the owner could not write all of it himself
     */
    default boolean writeAsOwner(long address, MemorySegment source) {
        return false;
    }

    /** Releases one pin of runs that {@link #pin} gave, or of parts of them. Never fails. */
    void unpin(long physicalAddress, long lengthBytes);

    /**
     * Asks to be told before the memory is taken away although it is pinned. Until the listener returns, the memory stays.
     *
     * @return how to stop being told
     */
    default Subscription onRevocation(RevocationListener listener) {
        return () -> { };
    }

    /** Someone who maps this memory. */
    @ConsumerType
    @FunctionalInterface
    interface RevocationListener {
        /** {@code [address, address + lengthBytes)} goes away: no DMA may reach it once this returns. */
        void revoked(long address, long lengthBytes);
    }

    /** Ends a subscription. */
    @FunctionalInterface
    interface Subscription extends AutoCloseable {
        @Override
        void close();
    }
}
