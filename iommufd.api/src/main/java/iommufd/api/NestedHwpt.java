package iommufd.api;

import org.osgi.annotation.versioning.ProviderType;

/** A page table whose first stage lies in user memory, in its vendor's format, over a paging second stage. */
@ProviderType
public non-sealed interface NestedHwpt extends Hwpt {
    /** The second stage. */
    PagingHwpt parent();

    /**
     * Makes the hardware forget cached entries of the first stage. Entries before a bad one stay carried out.
     *
     * @throws IommufdException {@link Errno#EINVAL} for an unknown data type or a bad entry length
     */
    InvalidationResult invalidate(InvalidationEntries entries);
}
