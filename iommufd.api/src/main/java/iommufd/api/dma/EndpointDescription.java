package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * What a device says of itself when it is plugged in.
 *
 * @param requesterId how its requests are known on the bus; unique in the fabric
 * @param group IOMMU group: endpoints with one number cannot be isolated from each other and share attachments
 * @param pasidBits width of PASIDs it can send, 0 for none
 * @param pageRequests whether it can ask for absent pages (PRI, or stalls) and wait
 */
public record EndpointDescription(RequesterId requesterId, int group, int pasidBits, boolean pageRequests) {
    /** @throws IommufdException {@link Errno#EINVAL} if {@code pasidBits} is outside 0..20 */
    public EndpointDescription {
        if (pasidBits < 0 || pasidBits > Pasid.MAX_BITS) {
            throw new IommufdException(Errno.EINVAL, "a PASID has 0 to 20 bits, not " + pasidBits);
        }
    }

    /** An endpoint alone in its group, without PASID and page requests. */
    public static EndpointDescription of(RequesterId requesterId) {
        return new EndpointDescription(requesterId, requesterId.value(), 0, false);
    }

    /** The same with PASIDs of that width. */
    public EndpointDescription withPasidBits(int bits) {
        return new EndpointDescription(requesterId, group, bits, pageRequests);
    }
}
