/**
 * Radix page tables in memory: {@link iommu.common.table.TableFormat} says what one entry means,
 * {@link iommu.common.table.RadixTable} is the only algorithm that writes them. Level 0 holds the smallest leaves.
 *
 * <p>A hardware unit never uses this package to translate: it walks the entries by its own rules.
 */
package iommu.common.table;
