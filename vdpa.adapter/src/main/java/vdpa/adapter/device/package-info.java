/** A device in the hands of a client: its virtio state, its queues, its address spaces. */
package vdpa.adapter.device;
