package devnode.fuse.memory;

import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.SharedFile.Identity;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.Map;

/** The files that clients passed: one object each as long as somebody maps it, so that passing a file again opens nothing. Thread-safe. */
public final class PassedFiles {
    private final Map<Key, WeakReference<FileMemory>> byKey = new HashMap<>();

    private record Key(Identity identity, boolean writable) {}

    /**
     * The file behind a descriptor.
     *
     * @param file open descriptor; stays the caller's
     * @throws IommufdException {@link Errno#EINVAL} if it is no regular file
     */
    public synchronized FileMemory of(int file, ClientPins pins) {
        FileStatus status = new FileStatus();
        if (status.load(file) < 0 || !status.isRegularFile()) {
            throw new IommufdException(Errno.EINVAL, "the file descriptor is none of a memfd or another regular file");
        }
        boolean writable = (Linux.fcntl(file, Linux.F_GETFL, 0) & Linux.O_ACCMODE) == Linux.O_RDWR;
        Key key = new Key(new Identity(status.device(), status.inode()), writable);
        WeakReference<FileMemory> known = byKey.get(key);
        FileMemory memory = known == null ? null : known.get();   // it has the file open, so the inode is still the same file's
        if (memory == null) {
            byKey.values().removeIf(reference -> reference.refersTo(null));
            memory = new FileMemory(file, key.identity(), writable, pins);
            byKey.put(key, new WeakReference<>(memory));
        }
        return memory;
    }
}
