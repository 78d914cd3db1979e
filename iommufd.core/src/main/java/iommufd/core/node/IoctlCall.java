package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.UserStruct;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A request under way: whose, on which file, with which struct. Used again, by one thread at a time. */
final class IoctlCall {
    /** The longest struct of the table. */
    static final int MAX_STRUCT_BYTES = 64;

    private final OpenIommu file;
    private final MemorySegment buffer = Arena.ofAuto().allocate(MAX_STRUCT_BYTES, Long.BYTES);
    /** One view per length, so that a warm call makes none. */
    private final MemorySegment[] views = new MemorySegment[MAX_STRUCT_BYTES + 1];
    private Caller caller;
    private ClientMemory memory;
    private long address;
    private MemorySegment struct = buffer;
    private int userBytes;

    IoctlCall(OpenIommu file) {
        this.file = file;
    }

    void read(Caller from, long argument, IoctlRow row) {
        caller = from;
        memory = from.memory();
        address = argument;
        MemorySegment view = views[row.sizeBytes()];
        if (view == null) {
            view = buffer.asSlice(0, row.sizeBytes());
            views[row.sizeBytes()] = view;
        }
        struct = view;
        userBytes = UserStruct.read(memory, argument, view, row.minBytes());
    }

    /** Forgets the client. */
    void end() {
        caller = null;
        memory = null;
    }

    OpenIommu file() {
        return file;
    }

    Caller caller() {
        return caller;
    }

    ClientMemory memory() {
        return memory;
    }

    /** The struct, all of it set. */
    MemorySegment struct() {
        return struct;
    }

    /** Where it came from. */
    long address() {
        return address;
    }

    /** Writes the struct back, as far as the client knows it. */
    void respond() {
        UserStruct.respond(memory, address, struct, userBytes);
    }

    /** An object by number. @throws IommufdException {@link Errno#ENOENT} if there is none, or of another kind */
    <T extends IommufdObject> T object(int id, Class<T> kind) {
        IommufdObject object = file.context().object(id);
        if (!kind.isInstance(object)) {
            throw new IommufdException(Errno.ENOENT, "%s is no %s".formatted(object, kind.getSimpleName()));
        }
        return kind.cast(object);
    }

    /** Flags or reserved fields that must be 0. @throws IommufdException {@link Errno#EOPNOTSUPP} */
    static void requireZero(int value) {
        if (value != 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "flags or reserved fields 0x%x are not known".formatted(value));
        }
    }

    /** @throws IommufdException {@link Errno#EOPNOTSUPP} for a flag that is not known */
    static void requireKnown(int flags, int known) {
        requireZero(flags & ~known);
    }
}
