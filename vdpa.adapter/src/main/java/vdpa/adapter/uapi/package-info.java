/** The binary interface: {@code linux/vhost.h} and {@code linux/vhost_types.h} of Linux 7.3, and the requests that bind a device to an iommufd. */
package vdpa.adapter.uapi;
