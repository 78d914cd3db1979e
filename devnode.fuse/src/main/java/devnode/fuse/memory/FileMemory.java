package devnode.fuse.memory;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.ref.Cleaner;
import java.util.OptionalInt;

/** A file that a client passed, by its offsets: the same physical addresses as the client's mappings of it. Thread-safe. */
public final class FileMemory implements UserMemory {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final String SELF = "/proc/self/fd/";

    private final ClientPins pins;
    private final SharedFile.Identity identity;
    private final int file;
    private final boolean writable;
    /** Guarded by itself. */
    private final FileStatus status = new FileStatus();

    /** @param file open descriptor of a regular file; stays the caller's */
    FileMemory(int file, SharedFile.Identity identity, boolean writable, ClientPins pins) {
        this.pins = pins;
        this.identity = identity;
        this.writable = writable;
        this.file = ErrorNumber.check("cannot keep the file open", Linux.open(SELF + file, Linux.O_RDONLY));
        int kept = this.file;
        CLEANER.register(this, () -> Linux.close(kept));
    }

    @Override
    public Kind kind() {
        return Kind.FILE;
    }

    @Override
    public void pin(long address, long lengthBytes, boolean willWrite, PinnedRuns runs) {
        if (((address | lengthBytes) & PAGE_BYTES - 1) != 0 || address < 0 || lengthBytes <= 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x are no whole pages of a file".formatted(address, lengthBytes));
        }
        if (willWrite && !writable) {
            throw new IommufdException(Errno.EFAULT, "the file was passed for reading only");
        }
        if (lengthBytes > sizeBytes() - address) {   // a mapping has all of the file's last page, the file only what is before its end
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x reaches beyond the end of the file".formatted(address, lengthBytes));
        }
        if (!pins.files().pin(identity, this::openAgain, address, lengthBytes, willWrite, Errno.EINVAL, runs)) {
            throw new IommufdException(Errno.EFAULT, "the file cannot be opened any more");
        }
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        pins.unpin(physicalAddress, lengthBytes);
    }

    private long sizeBytes() {
        synchronized (status) {
            status.load(file);
            return status.sizeBytes();
        }
    }

    private OptionalInt openAgain() {
        int again = Linux.open(SELF + file, Linux.O_RDWR);
        if (again < 0) {
            again = Linux.open(SELF + file, Linux.O_RDONLY);
        }
        return again < 0 ? OptionalInt.empty() : OptionalInt.of(again);
    }
}
