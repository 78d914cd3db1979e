package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Process address space id: which of a device's address spaces a request means (PCIe: PASID, Arm: SubstreamID).
 *
 * @param value 0 to 2^20-1
 */
public record Pasid(int value) {
    /** Largest width of a PASID in bits. */
    public static final int MAX_BITS = 20;
    /** What interfaces that carry a PASID as {@code int} use for requests without one. */
    public static final int NONE = -1;

    /** @throws IommufdException {@link Errno#EINVAL} if it has more than {@value #MAX_BITS} bits */
    public Pasid {
        if (value >>> MAX_BITS != 0) {
            throw new IommufdException(Errno.EINVAL, "PASID %d is outside 0..2^%d-1".formatted(value, MAX_BITS));
        }
    }
}
