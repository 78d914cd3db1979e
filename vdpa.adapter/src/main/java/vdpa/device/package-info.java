/**
 * What a device model implements to be a vDPA device: a virtio device whose rings are set up through {@code /dev/vhost-vdpa-N}.
 *
 * <p>A model registers a {@link vdpa.device.VdpaDevice} service. It says what it is ({@link vdpa.device.VdpaFunction}: virtio id,
 * features, queues and their groups); the adapter publishes its node, keeps status, features, addresses and mappings, and carries kicks
 * and calls. When a client opens the node the model is started and gets a {@link vdpa.device.VdpaHost}: ports for its DMA, and how to
 * call the driver. Ring accesses, buffers, everything goes through the ports.
 *
 * <p>A model never sees an ioctl, a file descriptor or an IOMMU. The roles are those of Linux's {@code vdpa_config_ops}
 * ({@code include/linux/vdpa.h}); what Linux asks of every parent driver and is the same in all of them is the adapter's part.
 */
@Export
@Version("1.0.0")
package vdpa.device;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
