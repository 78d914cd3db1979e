/**
 * An NVM Express controller (NVM Express Base Specification, revision 1.4), cut from its PCI shell: registers and doorbells on
 * one side, a DMA port and interrupts on the other. {@link vmm.devices.nvme.NvmeController} is the whole of it;
 * {@link vmm.devices.nvme.Namespace} is where the blocks are kept.
 */
package vmm.devices.nvme;
