package iommu.vtd.unit;

/** Where the unit's message-signaled interrupts go. Called without any of the unit's locks, on the thread that caused it. */
@FunctionalInterface
public interface MessageSink {
    /** A DWORD write of {@code data} to {@code address}. */
    void message(long address, int data);
}
