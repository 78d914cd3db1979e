package vfio.device;

import iommufd.api.node.OpenNode;
import org.osgi.annotation.versioning.ConsumerType;

/** An open group node. {@code VFIO_DEVICE_PCI_HOT_RESET} recognises by it which groups a client holds. */
@ConsumerType
public interface VfioGroupFile extends OpenNode {
    /** What it holds. */
    VfioGroup.Claim claim();
}
