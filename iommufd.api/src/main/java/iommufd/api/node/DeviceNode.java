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
     * ({@link ClientFiles#install}), always or sometimes. They are slower than others, so only those are named.
     *
     * <p>A program is watched for the requests that all nodes together named when it was started, whatever node it makes them of: a
     * node that is always there can name the requests of nodes that will come later.
     */
    String DESCRIPTOR_REQUESTS = "node.descriptor.requests";

    /**
     * Service property, a string: the name of the node's driver in {@code /proc/devices}, such as {@code vhost-vdpa}; without the
     * property {@code devnode}. Nodes of one driver share a major number. Numbers are given by who publishes the nodes, see
     * {@link SysfsEntry.DeviceNumber}.
     */
    String DRIVER = "node.driver";

    /**
     * A client opens the node. Each open file is an {@link OpenNode} of its own.
     *
     * @throws IommufdException any errno, such as {@link Errno#EBUSY} or {@link Errno#EACCES}
     */
    OpenNode open(Caller caller);
}
