package iommu.s390.driver;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * How functions are driven.
 *
 * @param name name of the hardware, unique in the runtime
 * @param segment PCI segment whose endpoints are functions of it
 * @param levels levels of tables: 3 (from region-third tables on, 42-bit IOVA) or 4 (from region-second tables on, 53-bit IOVA)
 * @param firstDma lowest address of DMA; a multiple of 4096
 * @param lastDma highest address of DMA
 */
public record ZpciDriverOptions(String name, int segment, int levels, long firstDma, long lastDma) {
    /** @throws IommufdException {@link Errno#EINVAL} for other levels, or if tables describe none of the addresses */
    public ZpciDriverOptions {
        if (levels != 3 && levels != 4) {
            throw new IommufdException(Errno.EINVAL, "%s can have tables of 3 or 4 levels, not %d".formatted(name, levels));
        }
        if (firstDma >>> (levels == 3 ? 42 : 53) != 0) {
            throw new IommufdException(Errno.EINVAL, "tables of %d levels end before 0x%x".formatted(levels, firstDma));
        }
    }
}
