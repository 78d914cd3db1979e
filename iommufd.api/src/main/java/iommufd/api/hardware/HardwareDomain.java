package iommufd.api.hardware;

import org.osgi.annotation.versioning.ConsumerType;

/** A page table of a backend: a {@link PagingDomain} or a {@link NestedDomain}. */
@ConsumerType
public interface HardwareDomain extends AutoCloseable {
    /** Gives it back; nothing is attached to it any more. Never fails. */
    @Override
    void close();
}
