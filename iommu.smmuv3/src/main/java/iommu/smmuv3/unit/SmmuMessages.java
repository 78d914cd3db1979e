package iommu.smmuv3.unit;

/** Where messages go that are written to no memory: interrupt controllers. Called without any of the unit's locks. */
@FunctionalInterface
public interface SmmuMessages {
    /** There are none: such messages are aborted. */
    SmmuMessages ABORTED = (address, data) -> { };

    /** Writes the DWORD. */
    void message(long address, int data);
}
