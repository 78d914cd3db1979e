/** What programs find of the devices in {@code /sys}. */
package vfio.adapter.sysfs;
