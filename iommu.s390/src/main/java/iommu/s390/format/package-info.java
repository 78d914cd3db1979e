/**
 * The binary formats of zPCI as named numbers. All structures are big-endian. No algorithms: the unit and its driver both read this
 * page, and share nothing else.
 *
 * <p>IBM does not publish the specification of zPCI. The numbers are those that Linux 7.3 ({@code arch/s390/include/asm/pci_dma.h},
 * {@code pci_insn.h}, {@code pci_clp.h}, {@code pci.h}) and QEMU ({@code hw/s390x/s390-pci-*}) agree on; where only one of them
 * tells, or neither, the constant says so.
 */
package iommu.s390.format;
