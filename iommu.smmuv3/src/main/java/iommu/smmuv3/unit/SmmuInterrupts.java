package iommu.smmuv3.unit;

/** The unit's wired interrupt outputs (IHI 0070, §3.18). Called without any of the unit's locks, never inside a DMA request. */
@FunctionalInterface
public interface SmmuInterrupts {
    /** Nobody listens. */
    SmmuInterrupts NONE = line -> { };

    /** An edge on {@code line}. */
    void raised(Line line);

    /** The outputs; their order is their number on a board. */
    enum Line {
        /** The event queue is no longer empty. */
        EVENT_QUEUE,
        /** The page request queue is no longer empty, or has the end of a group. */
        PAGE_REQUEST_QUEUE,
        /** A CMD_SYNC with interrupt completed. */
        COMMAND_SYNC,
        /** A global error became active. */
        GLOBAL_ERROR,
        /** A queue of a guest stopped at an error. */
        VIRTUAL_QUEUE
    }
}
