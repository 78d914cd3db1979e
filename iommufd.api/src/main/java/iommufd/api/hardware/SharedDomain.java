package iommufd.api.hardware;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A hypervisor's {@link iommufd.api.memory.StageTwoTable} as this hardware walks it. {@link #map} is refused with
 * {@link iommufd.api.Errno#EOPNOTSUPP}, {@link #unmap} finds nothing; closing it leaves the table as it is.
 */
@ConsumerType
public interface SharedDomain extends PagingDomain {
    /**
     * Entries for {@code [first, last]} changed. When it returns, no DMA uses the former ones. Any thread; never fails.
     *
     * @param tables whether tables between were unlinked, not only leaves changed
     */
    void invalidate(long first, long last, boolean tables);
}
