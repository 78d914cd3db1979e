/**
 * {@code /dev/vfio/<group>}: groups of devices, as in Linux 7.3's {@code drivers/vfio/group.c}. A group is put into a container or
 * into an iommufd; only then can its devices be opened.
 */
package vfio.compat.group;
