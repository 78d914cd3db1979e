package iommufd.api;

import iommufd.api.memory.UserMemory;

/**
 * How an {@link OnDemandMapping} follows what devices ask for.
 *
 * @param chunkBytes how much is pinned and mapped at once, around the page asked for: a power of two, a page or more
 * @param maxResidentBytes how much of the mapping may be pinned at once, at least a chunk; beyond it the oldest chunks go
 */
public record OnDemandOptions(long chunkBytes, long maxResidentBytes) {
    /** Single pages, without a limit of its own. */
    public static final OnDemandOptions PAGES = new OnDemandOptions(UserMemory.PAGE_BYTES, Long.MAX_VALUE);

    /** @throws IommufdException {@link Errno#EINVAL} if a value is out of range */
    public OnDemandOptions {
        if (chunkBytes < UserMemory.PAGE_BYTES || Long.bitCount(chunkBytes) != 1 || maxResidentBytes < chunkBytes) {
            throw new IommufdException(Errno.EINVAL, "chunks of 0x%x bytes, 0x%x at once: a chunk is a power of two from 0x%x on, and one must fit"
                    .formatted(chunkBytes, maxResidentBytes, UserMemory.PAGE_BYTES));
        }
    }
}
