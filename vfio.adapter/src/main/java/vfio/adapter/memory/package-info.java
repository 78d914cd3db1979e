/** Memory that clients and device models share: a file in memory for each device, with its BARs at the offsets clients map. */
package vfio.adapter.memory;
