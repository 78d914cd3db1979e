/** A virtio block device whose blocks are a file (virtio 1.2, §5.2). */
package vmm.devices.virtio.blk;
