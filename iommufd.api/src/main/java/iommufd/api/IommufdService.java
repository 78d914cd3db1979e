package iommufd.api;

import org.osgi.annotation.versioning.ProviderType;

/** The entrance: an OSGi service that opens contexts, as {@code open("/dev/iommu")} does in Linux. */
@ProviderType
public interface IommufdService {
    /** Opens a context that charges {@code owner} for what it pins. */
    IommufdContext open(ContextOwner owner);

    /** Opens a context for the runtime itself, without a limit on pinned memory. */
    default IommufdContext open() {
        return open(ContextOwner.runtime());
    }
}
