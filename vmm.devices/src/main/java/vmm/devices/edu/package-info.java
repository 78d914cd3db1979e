/**
 * QEMU's educational device (docs/specs/edu): a PCI function with a few registers, one interrupt and a DMA engine, for which
 * driver courses and test suites have drivers.
 */
package vmm.devices.edu;
