/** The IO address space: areas, the pages behind them, pins and who pays, and the page tables that follow. */
package iommufd.core.space;
