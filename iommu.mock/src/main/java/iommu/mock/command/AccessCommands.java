package iommu.mock.command;

import iommufd.api.Access;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Commands of accesses; after their creation a client names them by file descriptor. */
final class AccessCommands {
    /** MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES. */
    private static final int NEEDS_PINS = 1;
    /** MOCK_FLAGS_ACCESS_WRITE. */
    private static final int PIN_WRITABLE = 1;
    /** MOCK_ACCESS_RW_WRITE. */
    private static final int WRITE = 1;
    /** MOCK_ACCESS_RW_SLOW_PATH. */
    private static final int SLOW_PATH = 1 << 2;
    private static final long LARGEST_BYTES = 16L << 20;
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final IommufdFile file;

    AccessCommands(IommufdFile file) {
        this.file = file;
    }

    /** CREATE_ACCESS. A descriptor cannot be taken back: whether the struct can be written is tried before. */
    void create(TestCommand command) {
        int flags = command.int32(TestCommand.ACCESS_FLAGS);
        requireKnown(flags, NEEDS_PINS);
        AccessFile access = new AccessFile(file, flags == NEEDS_PINS);
        try {
            access.access().attach(ioas(command.id()));
            command.respond();
        } catch (RuntimeException | Error refused) {
            access.close();
            throw refused;
        }
        command.set(TestCommand.ACCESS_OUT_FD, command.caller().files().install(access, true)).respond();
    }

    private static void requireKnown(int flags, int known) {
        if ((flags & ~known) != 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "unknown flags 0x%x".formatted(flags & ~known));
        }
    }

    private Ioas ioas(int id) {
        if (file.context().object(id) instanceof Ioas ioas) {
            return ioas;
        }
        throw new IommufdException(Errno.ENOENT, "object %s is no IOAS".formatted(Integer.toUnsignedString(id)));
    }

    private static AccessFile access(TestCommand command) {
        Optional<AccessFile> found;
        try {
            found = command.caller().files().node(command.id()).filter(AccessFile.class::isInstance).map(AccessFile.class::cast);
        } catch (IommufdException notOpen) {
            throw new IommufdException(Errno.EBADFD, "descriptor %d is not open".formatted(command.id()), notOpen);
        }
        return found.orElseThrow(() -> new IommufdException(Errno.EBADFD, "descriptor %d is no access".formatted(command.id())));
    }

    /** DESTROY_ACCESS_PAGES. */
    void unpin(TestCommand command) {
        access(command).unpin(command.int32(TestCommand.DESTROY_PAGES_ID));
    }

    /** ACCESS_REPLACE_IOAS. */
    void replaceIoas(TestCommand command) {
        access(command).access().replace(ioas(command.int32(TestCommand.ACCESS_IOAS_ID)));
    }

    /** ACCESS_PAGES: pins whole pages, which must be the client's. */
    void pin(TestCommand command) {
        long length = command.int64(TestCommand.PAGES_LENGTH);
        requireBounded(length);
        int flags = command.int32(TestCommand.PAGES_FLAGS);
        requireKnown(flags, PIN_WRITABLE);
        AccessFile access = access(command);
        long iova = command.int64(TestCommand.PAGES_IOVA);
        long uptr = command.int64(TestCommand.PAGES_UPTR);
        int id = access.pin(iova, length, flags == PIN_WRITABLE, runs -> {
            if (uptr != 0) {
                checkPages(command.caller().memory().mappable(), uptr - (iova - AccessFile.pageStart(iova)), runs);
            }
        });
        try {
            command.set(TestCommand.PAGES_OUT_ID, id).respond();
        } catch (RuntimeException | Error refused) {
            access.unpin(id);
            throw refused;
        }
    }

    private static void requireBounded(long length) {
        if (Long.compareUnsigned(length, LARGEST_BYTES) > 0) {
            throw new IommufdException(Errno.ENOMEM, "more than 16 MiB at once");
        }
    }

    private static void checkPages(UserMemory memory, long address, PinnedRuns expected) {
        PinnedRuns page = new PinnedRuns(1);
        PinnedRuns actual = new PinnedRuns(4);
        for (long done = 0; done < expected.totalBytes(); done += PAGE_BYTES) {
            page.clear();
            memory.pin(address + done, PAGE_BYTES, false, page);
            memory.unpin(page.physicalAddress(0), PAGE_BYTES);
            actual.clear();
            actual.addSlice(expected, done, Math.min(PAGE_BYTES, expected.totalBytes() - done));
            if (actual.physicalAddress(0) != page.physicalAddress(0)) {
                throw new IommufdException(Errno.EBADE, "the access pinned 0x%x, the client's page at 0x%x is 0x%x"
                        .formatted(actual.physicalAddress(0), address + done, page.physicalAddress(0)));
            }
        }
    }

    /** ACCESS_RW: copies between the client and IOVA. */
    void copy(TestCommand command) {
        long length = command.int64(TestCommand.RW_LENGTH);
        requireBounded(length);
        int flags = command.int32(TestCommand.RW_FLAGS);
        requireKnown(flags, WRITE | SLOW_PATH);
        AccessFile access = access(command);
        MemorySegment bytes = MemorySegment.ofArray(new byte[(int) length]);
        long iova = command.int64(TestCommand.RW_IOVA);
        long uptr = command.int64(TestCommand.RW_UPTR);
        Access.View view = (flags & SLOW_PATH) != 0 ? Access.View.DEVICE : Access.View.OWNER;
        if ((flags & WRITE) != 0) {
            command.caller().memory().read(uptr, bytes);
            access.access().write(iova, bytes, view);
        } else {
            access.access().read(iova, bytes, view);
            command.caller().memory().write(uptr, bytes);
        }
    }
}
