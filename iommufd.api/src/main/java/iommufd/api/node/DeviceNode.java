package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A character device other processes may open: a whiteboard service. Thread-safe.
 *
 * <p>When the service goes, calls that are under way are interrupted and waited for, and its {@link OpenNode}s are closed; what
 * clients still hold answers {@code ENODEV}.
 */
@ConsumerType
public interface DeviceNode {
    /** Service property, a string: where clients find it, such as {@code /dev/iommu}. Always below {@code /dev/}. */
    String PATH = "node.path";

    /**
     * Service property, an {@code int[]}: the ioctl requests that may open a new file in the client
     * ({@link ClientFiles#install}). They are slower than others, so only those are named.
     */
    String DESCRIPTOR_REQUESTS = "node.descriptor.requests";

    /**
     * A client opens the node. Each open file is an {@link OpenNode} of its own.
     *
     * @throws IommufdException any errno, such as {@link Errno#EBUSY} or {@link Errno#EACCES}
     */
    OpenNode open(Caller caller);
}
