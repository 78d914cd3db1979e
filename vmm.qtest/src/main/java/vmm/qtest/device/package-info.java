/** PCI functions that do DMA when a client tells them to. */
package vmm.qtest.device;
