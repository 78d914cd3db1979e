package iommufd.api.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ProviderType;

/** Hands out physical memory: an OSGi service. Thread-safe. */
@ProviderType
public interface PhysicalMemory {
    /**
     * RAM for a guest or a device, filled with zeros.
     *
     * @param lengthBytes multiple of 4096
     * @param hugePages whether to align and back it for 2 MiB pages
     * @throws IommufdException {@link Errno#ENOMEM}; {@link Errno#EINVAL} for a bad length
     */
    GuestRam allocateGuestRam(long lengthBytes, boolean hugePages);

    /** Frames for what IOMMU hardware reads: page tables, contexts, queues. */
    TableMemory tables();
}
