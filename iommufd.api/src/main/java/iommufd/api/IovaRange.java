package iommufd.api;

/**
 * A range of IO virtual addresses, both ends inclusive so that the whole 64-bit space can be named
 * ({@code struct iommu_iova_range}).
 *
 * @param start first address, unsigned
 * @param last last address, unsigned; not below {@code start}
 */
public record IovaRange(long start, long last) {
    /** @throws IommufdException {@link Errno#EINVAL} if {@code last} lies below {@code start} */
    public IovaRange {
        if (Long.compareUnsigned(last, start) < 0) {
            throw new IommufdException(Errno.EINVAL,
                    "an IOVA range ends at 0x%x, before its start 0x%x".formatted(last, start));
        }
    }

    /** Whether {@code address} lies inside. */
    public boolean contains(long address) {
        return Long.compareUnsigned(address, start) >= 0 && Long.compareUnsigned(address, last) <= 0;
    }

    /** Whether the two ranges share an address. */
    public boolean overlaps(IovaRange other) {
        return Long.compareUnsigned(start, other.last) <= 0 && Long.compareUnsigned(other.start, last) <= 0;
    }

    @Override
    public String toString() {
        return "0x%x..0x%x".formatted(start, last);
    }
}
