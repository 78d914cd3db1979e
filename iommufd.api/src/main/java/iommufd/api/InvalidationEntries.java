package iommufd.api;

import java.lang.foreign.MemorySegment;

/**
 * Invalidation requests of a guest in its vendor's format ({@code IOMMU_HWPT_INVALIDATE}). A client may pass an address where
 * nothing can be read; who looks at the type and the length of entries first refuses such requests as Linux does.
 */
public final class InvalidationEntries {
    private final int dataType;
    private final int entryBytes;
    private final int count;
    private final MemorySegment bytes;
    /** Null if the bytes are there. */
    private final IommufdException unreadable;

    /**
     * @param dataType number of {@code enum iommu_hwpt_invalidate_data_type}
     * @param entryBytes distance from one entry to the next
     * @param count number of entries
     * @param bytes at least {@code entryBytes * count} bytes
     */
    public InvalidationEntries(int dataType, int entryBytes, int count, MemorySegment bytes) {
        this(dataType, entryBytes, count, bytes, null);
    }

    private InvalidationEntries(int dataType, int entryBytes, int count, MemorySegment bytes, IommufdException unreadable) {
        this.dataType = dataType;
        this.entryBytes = entryBytes;
        this.count = count;
        this.bytes = bytes;
        this.unreadable = unreadable;
    }

    /** Entries whose {@link #bytes} throws {@code reason}. */
    public static InvalidationEntries unreadable(int dataType, int entryBytes, int count, IommufdException reason) {
        return new InvalidationEntries(dataType, entryBytes, count, MemorySegment.NULL, reason);
    }

    /** Number of {@code enum iommu_hwpt_invalidate_data_type}. */
    public int dataType() {
        return dataType;
    }

    /** Distance from one entry to the next. */
    public int entryBytes() {
        return entryBytes;
    }

    /** Number of entries. */
    public int count() {
        return count;
    }

    /** What {@link #bytes} has, or would have. */
    public long lengthBytes() {
        return unreadable == null ? bytes.byteSize() : (long) entryBytes * count;
    }

    /**
     * The entries. Ask for them once type and length are known to be right.
     *
     * @throws IommufdException {@link Errno#EFAULT} if the client passed an address where they cannot be read
     */
    public MemorySegment bytes() {
        if (unreadable != null) {
            throw unreadable;
        }
        return bytes;
    }
}
