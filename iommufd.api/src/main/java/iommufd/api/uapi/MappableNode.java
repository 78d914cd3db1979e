package iommufd.api.uapi;

import iommufd.api.memory.UserMemory;
import iommufd.api.node.OpenNode;
import org.osgi.annotation.versioning.ConsumerType;

/** An open node that {@code IOMMU_IOAS_MAP_FILE} can map, as a dmabuf in Linux. */
@ConsumerType
public interface MappableNode extends OpenNode {
    /** What is mapped, by file offsets; always the same object. */
    UserMemory mappable();
}
