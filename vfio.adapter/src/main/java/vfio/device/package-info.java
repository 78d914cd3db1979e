/**
 * What a device model implements to be a VFIO device, and how group nodes find devices.
 *
 * <p>A model registers a {@link vfio.device.VfioDevice} service. It says what it is ({@link vfio.device.PciFunction}: address,
 * ids, BARs, capabilities); the adapter builds its configuration space, publishes its device node, binds it to the client's
 * iommufd and carries its interrupts. When a client takes the device the model is started and gets a
 * {@link vfio.device.DeviceHost}: ports for its DMA, its interrupts, the memory of BARs that clients map.
 *
 * <p>A model never sees an ioctl, a file descriptor or an IOMMU.
 */
@Export
@Version("1.0.0")
package vfio.device;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
