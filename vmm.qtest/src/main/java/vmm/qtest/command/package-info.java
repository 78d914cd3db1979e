/** QEMU's command line, as far as it concerns boards with an IOMMU and who drives them. */
package vmm.qtest.command;
