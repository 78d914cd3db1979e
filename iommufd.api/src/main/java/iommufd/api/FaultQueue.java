package iommufd.api;

import java.time.Duration;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/** IO page faults of attached devices, waiting for user space ({@code IOMMU_FAULT_QUEUE_ALLOC}). */
@ProviderType
public non-sealed interface FaultQueue extends IommufdObject {
    /**
     * Takes the oldest groups, each whole, until {@code maxRecords} would be passed.
     *
     * @return records in order; empty if none wait
     * @throws IommufdException {@link Errno#EINVAL} if the first group alone has more than {@code maxRecords}
     */
    List<FaultRecord> read(int maxRecords);

    /**
     * Answers a group that was read.
     *
     * @throws IommufdException {@link Errno#EINVAL} for an unknown cookie, also one answered before
     */
    void respond(int cookie, FaultResponse response);

    /** Waits until a group can be read. @return whether one can */
    boolean awaitReadable(Duration timeout) throws InterruptedException;

    /** Calls {@code listener} after each arrival, on the thread that reports the fault; it must not block. */
    void onReadable(Runnable listener);
}
