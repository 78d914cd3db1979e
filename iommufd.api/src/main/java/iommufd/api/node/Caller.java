package iommufd.api.node;

import iommufd.api.ContextOwner;
import org.osgi.annotation.versioning.ProviderType;

/** The client behind a call. */
@ProviderType
public interface Caller {
    /** Who is charged, with which rights. */
    ContextOwner owner();

    /** Its memory. */
    ClientMemory memory();
}
