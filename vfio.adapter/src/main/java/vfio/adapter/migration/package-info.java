/** Migration version 2: the states of a device, the arcs between them, and the files its state is read from and written to. */
package vfio.adapter.migration;
