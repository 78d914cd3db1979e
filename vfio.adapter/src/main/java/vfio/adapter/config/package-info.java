/** The configuration space of a PCI function, as a driver that was given it through VFIO sees it. */
package vfio.adapter.config;
