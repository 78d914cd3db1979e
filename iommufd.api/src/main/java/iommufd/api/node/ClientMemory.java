package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/** A client's address space: to copy from and to, and to map for DMA. */
@ProviderType
public interface ClientMemory {
    /** Copies from the client, all or nothing. @throws IommufdException {@link Errno#EFAULT} */
    void read(long address, MemorySegment target);

    /** Copies to the client. @throws IommufdException {@link Errno#EFAULT} */
    void write(long address, MemorySegment source);

    /** The same memory for mapping. */
    UserMemory mappable();
}
