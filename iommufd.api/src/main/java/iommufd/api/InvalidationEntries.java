package iommufd.api;

import java.lang.foreign.MemorySegment;

/**
 * Invalidation requests of a guest in its vendor's format ({@code IOMMU_HWPT_INVALIDATE}).
 *
 * @param dataType number of {@code enum iommu_hwpt_invalidate_data_type}
 * @param entryBytes distance from one entry to the next
 * @param count number of entries
 * @param bytes at least {@code entryBytes * count} bytes
 */
public record InvalidationEntries(int dataType, int entryBytes, int count, MemorySegment bytes) {}
