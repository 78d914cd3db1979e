package iommufd.api;

/** A hardware page table: paging (made from an IOAS) or nested (made by user space over a paging one). */
public sealed interface Hwpt extends IommufdObject, Attachable permits PagingHwpt, NestedHwpt {}
