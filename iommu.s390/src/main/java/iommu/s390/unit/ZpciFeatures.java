package iommu.s390.unit;

/**
 * What a unit is built with; the same for all its functions.
 *
 * @param firstDma lowest address DMA may use (SDMA)
 * @param lastDma highest address DMA may use (EDMA), unsigned
 * @param direct whether functions may be registered without translation (relaxed translation)
 */
public record ZpciFeatures(long firstDma, long lastDma, boolean direct) {
    /** Addresses of 53 bits from 0 on: what a region-second table describes. */
    public static final ZpciFeatures STANDARD = new ZpciFeatures(0, (1L << 53) - 1, false);

    /** @throws IllegalArgumentException if the range is empty or cuts a page */
    public ZpciFeatures {
        if (Long.compareUnsigned(firstDma, lastDma) >= 0 || (firstDma & 0xFFF) != 0 || (lastDma & 0xFFF) != 0xFFF) {
            throw new IllegalArgumentException("no function has the DMA addresses 0x%x..0x%x".formatted(firstDma, lastDma));
        }
    }

    /** The same with functions that may be registered without translation. */
    public ZpciFeatures withDirect() {
        return new ZpciFeatures(firstDma, lastDma, true);
    }
}
