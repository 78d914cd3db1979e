package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import org.osgi.annotation.versioning.ConsumerType;

/** A backend's part of a vIOMMU. */
@ConsumerType
public interface HardwareViommu extends AutoCloseable {
    /** A nested table in the guest's numbers. @throws IommufdException as {@link HardwareEndpoint#allocateNested} */
    NestedDomain allocateNested(HardwareEndpoint endpoint, NestedTable table);

    /** The guest knows {@code endpoint} as {@code virtualId} from now on. */
    void addDevice(HardwareEndpoint endpoint, long virtualId);

    /** Undoes {@link #addDevice}. Never fails. */
    void removeDevice(long virtualId);

    /** Carries out a guest's requests. */
    InvalidationResult invalidate(InvalidationEntries entries);

    /** Whether events of this type exist; they go to {@code sink} from now on. */
    boolean openEvents(int type, EventSink sink);

    /** Ends {@link #openEvents}. */
    void closeEvents(int type);

    /**
     * Whether there can be queues of this type: asked before the guest's memory is looked at.
     *
     * @return true, unless overridden: then {@link #allocateQueue} decides
     */
    default boolean offersQueues(int type) {
        return true;
    }

    /**
     * Takes over a queue in guest memory.
     *
     * @param physicalAddress where it lies; pinned and contiguous
     * @throws IommufdException {@link Errno#EOPNOTSUPP} for an unknown type; {@link Errno#EINVAL} for a bad index or length
     */
    HardwareQueue allocateQueue(int type, int index, long physicalAddress, long lengthBytes);

    /**
     * What user space learns of a new vIOMMU: replaces the bytes it passed as {@link iommufd.api.ViommuTable#bytes()}.
     *
     * @return empty if it learns nothing
     */
    default byte[] reply() {
        return new byte[0];
    }

    /** Gives it back. Never fails. */
    @Override
    void close();

    /** Where a vIOMMU's events go. */
    @FunctionalInterface
    interface EventSink {
        /** An event in the vendor's format; copied before it returns. */
        void event(byte[] record);
    }

    /** A queue that hardware reads by itself. */
    @ConsumerType
    interface HardwareQueue extends AutoCloseable {
        /** Whether another queue of the vIOMMU needs this one: it cannot be destroyed before that other one. */
        default boolean inUse() {
            return false;
        }

        /** Stops the hardware reading it. Never fails. */
        @Override
        void close();
    }
}
