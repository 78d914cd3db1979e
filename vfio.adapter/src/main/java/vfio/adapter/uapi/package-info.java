/**
 * The binary uAPI of VFIO devices (Linux 7.3, {@code linux/vfio.h}): a class of named offsets per struct, named like it, with
 * request numbers, flags and enumerations under their C names. Structures of groups and containers are not here.
 */
package vfio.adapter.uapi;
