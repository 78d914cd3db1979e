package iommufd.api.uapi;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Structs of VFIO: a client passes the size it knows as {@code argsz} in the first 32 bits, and flags in the next. Unlike
 * {@link UserStruct}s they are read as far as a request needs them, before the size is looked at, and never beyond.
 */
public final class VfioStruct {
    private static final int ARGSZ_OFFSET = 0;

    private VfioStruct() {}

    /**
     * Reads the first bytes of a struct.
     *
     * @param minBytes through the last field a request needs, {@code minsz} in Linux
     * @throws IommufdException {@link Errno#EFAULT} if they cannot be read; {@link Errno#EINVAL} if {@code argsz} is less
     */
    public static MemorySegment read(ClientMemory memory, long address, int minBytes) {
        MemorySegment struct = MemorySegment.ofArray(new byte[minBytes]);
        read(memory, address, struct);
        return struct;
    }

    /** As {@link #read(ClientMemory, long, int)}, into {@code struct}, which is as long as the request needs. */
    public static void read(ClientMemory memory, long address, MemorySegment struct) {
        memory.read(address, struct);
        int argsz = struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
        if (Integer.compareUnsigned(argsz, (int) struct.byteSize()) < 0) {
            throw new IommufdException(Errno.EINVAL, "a struct of %s bytes; it has at least %d".formatted(Integer.toUnsignedString(argsz), struct.byteSize()));
        }
    }

    /** @throws IommufdException {@link Errno#EINVAL} for a flag that is not known */
    public static void requireKnown(int flags, int known) {
        if ((flags & ~known) != 0) {
            throw new IommufdException(Errno.EINVAL, "flags 0x%x are not known".formatted(flags & ~known));
        }
    }
}
