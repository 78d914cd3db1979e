/** Device files: the requests of {@code linux/vfio.h}, the same for a device's own node and for a file opened through its group. */
package vfio.adapter.node;
