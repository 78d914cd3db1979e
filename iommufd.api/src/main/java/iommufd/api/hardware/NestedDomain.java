package iommufd.api.hardware;

import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import org.osgi.annotation.versioning.ConsumerType;

/** A first stage in user memory over a {@link PagingDomain}. */
@ConsumerType
public interface NestedDomain extends HardwareDomain {
    /** Makes the hardware forget cached entries; see {@link iommufd.api.NestedHwpt#invalidate}. */
    InvalidationResult invalidate(InvalidationEntries entries);
}
