/**
 * What a kernel driver does: the only writer of region, segment and page tables. It knows the unit as
 * {@link iommu.s390.format.PciInstructions} and memory, and implements the hardware SPI with them.
 *
 * <p>Lock order: endpoint, users of a table. A change of a table takes the lock of its users, gives it back, and then that of each
 * endpoint, under which it refreshes. The unit's own locks come last.
 */
package iommu.s390.driver;
