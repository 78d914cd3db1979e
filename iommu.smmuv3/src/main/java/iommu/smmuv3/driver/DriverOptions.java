package iommu.smmuv3.driver;

/**
 * What an operator chooses.
 *
 * @param granuleLg2 log2 of the smallest page: 12, 14 or 16
 * @param prefersStage2 plain page tables are second stages; then there are no PASIDs
 */
public record DriverOptions(int granuleLg2, boolean prefersStage2) {
    /** 4 KiB pages, first stages. */
    public static final DriverOptions DEFAULT = new DriverOptions(12, false);

    /** @throws IllegalArgumentException for another granule */
    public DriverOptions {
        if (granuleLg2 != 12 && granuleLg2 != 14 && granuleLg2 != 16) {
            throw new IllegalArgumentException("granules are of 2^12, 2^14 or 2^16 bytes, not 2^" + granuleLg2);
        }
    }
}
