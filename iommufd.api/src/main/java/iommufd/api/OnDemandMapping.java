package iommufd.api;

import org.osgi.annotation.versioning.ProviderType;

/**
 * A range of an {@link Ioas} that shows memory to devices that ask for it, and pins nothing before; see {@link Ioas#mapOnDemand}.
 *
 * <p>What is resident is mapped as anything else: {@link Ioas#unmap} takes it away, and it comes back when a device asks again.
 */
@ProviderType
public interface OnDemandMapping extends AutoCloseable {
    /** Where it starts. */
    long iova();

    /** How long it is. */
    long lengthBytes();

    /** How much of it is pinned and mapped now. */
    long residentBytes();

    /** How many pages devices have been given. */
    long pagesServed();

    /** How many page requests were answered with {@link FaultResponse#INVALID}: no permission, no memory behind, or a limit. */
    long pagesRefused();

    /**
     * Takes chunks away that lie in the range, wholly or in part; on return no DMA reaches them, until a device asks again.
     *
     * @return bytes that were resident
     * @throws IommufdException {@link Errno#EINVAL} if the range reaches beyond the mapping; {@link Errno#EBUSY} or
     *         {@link Errno#EDEADLOCK} as {@link Ioas#unmap}
     */
    long evict(long iova, long lengthBytes);

    /**
     * Ends it: nothing of it is resident any more, and the range can be mapped again.
     *
     * @throws IommufdException as {@link #evict}; it is still there then
     */
    @Override
    void close();
}
