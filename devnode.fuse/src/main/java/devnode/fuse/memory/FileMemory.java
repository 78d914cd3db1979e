package devnode.fuse.memory;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.util.OptionalInt;

/**
 * A file that a client passed, by its offsets: the same physical addresses as the client's mappings of it. Open as long as it is
 * retained. Thread-safe.
 */
public final class FileMemory implements UserMemory {
    private static final String SELF = "/proc/self/fd/";

    private final ClientPins pins;
    private final PassedFiles.Key key;
    private final int file;
    /** Guarded by itself. */
    private final FileStatus status = new FileStatus();
    /** How often it is retained; 0 is the end. Guarded by the lock of {@link PassedFiles}. */
    int holders = 1;

    /** Retained once. @param file open descriptor of a regular file; stays the caller's */
    FileMemory(int file, PassedFiles.Key key, ClientPins pins) {
        this.pins = pins;
        this.key = key;
        this.file = ErrorNumber.check("cannot keep the file open", Linux.open(SELF + file, Linux.O_RDONLY));
    }

    @Override
    public Kind kind() {
        return Kind.FILE;
    }

    PassedFiles.Key key() {
        return key;
    }

    @Override
    public void retain() {
        pins.passed().retain(this);
    }

    @Override
    public void release() {
        pins.passed().release(this);
    }

    @Override
    public void pin(long address, long lengthBytes, boolean willWrite, PinnedRuns runs) {
        if (((address | lengthBytes) & PAGE_BYTES - 1) != 0 || address < 0 || lengthBytes <= 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x are no whole pages of a file".formatted(address, lengthBytes));
        }
        if (willWrite && !key.writable()) {
            throw new IommufdException(Errno.EFAULT, "the file was passed for reading only");
        }
        if (lengthBytes > sizeBytes() - address) {   // a mapping has all of the file's last page, the file only what is before its end
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x reaches beyond the end of the file".formatted(address, lengthBytes));
        }
        if (!pins.files().pin(key.identity(), this::openAgain, address, lengthBytes, willWrite, Errno.EINVAL, runs)) {
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

    /** Lock of {@link PassedFiles}. */
    void close() {
        Linux.close(file);
    }
}
