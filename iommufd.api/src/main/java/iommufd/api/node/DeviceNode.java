package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/** A character device other processes may open: a whiteboard service. Thread-safe. */
@ConsumerType
public interface DeviceNode {
    /** Service property: where clients find it, such as {@code /dev/iommu}. */
    String PATH = "node.path";

    /** A client opens the node. @throws IommufdException any errno, such as {@link Errno#EBUSY} or {@link Errno#EACCES} */
    OpenNode open(Caller caller);
}
