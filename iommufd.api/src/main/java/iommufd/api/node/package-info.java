/**
 * What publishes itself to other processes: a component registers a {@link iommufd.api.node.DeviceNode} service (whiteboard),
 * and whoever publishes nodes opens it for each client. {@link iommufd.api.node.ClientLauncher} runs programs that find the nodes,
 * {@link iommufd.api.node.NodeActivity} tells what they do with them. What programs look up of a device in sysfs is a
 * {@link iommufd.api.node.SysfsDirectory}.
 * Nothing here knows how clients are reached.
 */
@Export
@Version("1.0.0")
package iommufd.api.node;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
