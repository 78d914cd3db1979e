package iommufd.api;

/**
 * On whose behalf a context acts: who is charged for pinned memory, and what it may ask for.
 *
 * @param processId process (thread group) whose address space {@code RLIMIT_MODE_MM} charges
 * @param userId user that the default accounting charges
 * @param lockedMemoryLimitBytes {@code RLIMIT_MEMLOCK}; {@link #UNLIMITED} for none
 * @param sysResource holds CAP_SYS_RESOURCE: may change the accounting mode
 * @param rawIo holds CAP_SYS_RAWIO: may ask for physical addresses
 */
public record ContextOwner(long processId, int userId, long lockedMemoryLimitBytes, boolean sysResource, boolean rawIo) {
    /** No limit on pinned memory. */
    public static final long UNLIMITED = -1L;

    /** The runtime itself, for devices and VMMs inside it: unlimited and trusted. */
    public static ContextOwner runtime() {
        return new ContextOwner(ProcessHandle.current().pid(), 0, UNLIMITED, true, true);
    }
}
