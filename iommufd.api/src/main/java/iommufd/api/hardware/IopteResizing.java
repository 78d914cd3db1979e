package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Changes the size of a page table's entries while DMA goes on: no request is refused or sees another translation, before, between
 * or after, and no written page is forgotten. Serialized with changes of the domain, and with dirty reads of it.
 *
 * <p>What needs no break-before-make: VT-d's formats do not; SMMUv3 must advertise BBM level 2, else its driver offers none of this.
 */
@ConsumerType
public interface IopteResizing {
    /**
     * Splits entries that overlap the range and are larger than {@code pageBytes} into entries of that size. Each of them allows what
     * the old one did, and counts as written if the old one did.
     *
     * @param pageBytes one of {@link DomainGeometry#pageSizes()}
     * @return entries split, those in between included
     * @throws IommufdException {@link Errno#ENOMEM}: some may be split; translations are as before
     */
    long split(long iova, long lastIova, long pageBytes);

    /**
     * Puts entries in the range together to the largest that alignment, contiguity and equal rights allow; none of them reaches beyond
     * the range. One counts as written if one of the old ones did. Needs no memory and never fails.
     *
     * @return entries made, those in between included
     */
    long merge(long iova, long lastIova);

    /** Size of the entry that maps a byte; 0 for a hole. Any thread. */
    long entryBytes(long iova);
}
