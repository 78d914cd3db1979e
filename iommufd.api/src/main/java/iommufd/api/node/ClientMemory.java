package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ProviderType;

/** A client's address space: to copy from and to, and to map for DMA. */
@ProviderType
public interface ClientMemory {
    /**
     * Copies {@code target.byteSize()} bytes from the client, all or nothing that counts: after a failure the target's
     * content is undefined.
     *
     * @param target native or on the heap
     * @throws IommufdException {@link Errno#EFAULT} if the client could not read all of it itself
     */
    void read(long address, MemorySegment target);

    /**
     * Copies {@code source.byteSize()} bytes to the client, all or nothing, unless the client changes its mappings meanwhile.
     *
     * @param source native or on the heap
     * @throws IommufdException {@link Errno#EFAULT} if the client could not write all of it itself
     */
    void write(long address, MemorySegment source);

    /** The same memory for mapping; the same object as long as the client neither ends nor executes another program. */
    UserMemory mappable();
}
