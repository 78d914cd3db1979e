package iommufd.api;

import java.time.Duration;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** Events of one vIOMMU, waiting for user space ({@code IOMMU_VEVENTQ_ALLOC}). */
@ProviderType
public non-sealed interface EventQueue extends IommufdObject {
    /** Takes the oldest event; a full queue ends with one that says that later ones were lost. */
    Optional<Event> read();

    /** Waits until an event can be read. @return whether one can */
    boolean awaitReadable(Duration timeout) throws InterruptedException;

    /** Calls {@code listener} after each arrival, on the thread that reports the event; it must not block. */
    void onReadable(Runnable listener);

    /**
     * One event.
     *
     * @param sequence counts events, lost ones included
     * @param lost whether events were lost here; there is no payload then
     * @param payload the vendor's record
     */
    record Event(int sequence, boolean lost, byte[] payload) {}
}
