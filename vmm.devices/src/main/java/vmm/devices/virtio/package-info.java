/**
 * What all virtio devices share (OASIS virtio 1.2): features, and the split and packed virtqueues as a device sees them. A queue
 * knows of memory only a {@link iommufd.api.dma.DmaPort}, believes nothing it reads there, and allocates nothing once it is open.
 */
package vmm.devices.virtio;
