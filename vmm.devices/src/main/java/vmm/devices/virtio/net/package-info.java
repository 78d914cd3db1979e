/**
 * A virtio network device (virtio 1.2, §5.1). Packets go with their virtio header from the driver to a
 * {@link vmm.devices.virtio.net.Cable} and back, so that checksums and segmentation that one end leaves to the other are never
 * computed here unless the receiver cannot.
 */
package vmm.devices.virtio.net;
