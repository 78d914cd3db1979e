package devnode.fuse.memory;

import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.SharedFile.Identity;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.HashMap;
import java.util.Map;

/** The files that clients passed: one object each as long as somebody retains it, so that passing a file again opens nothing. Thread-safe. */
public final class PassedFiles {
    private final Map<Key, FileMemory> open = new HashMap<>();

    /** What makes two passed files the same. */
    record Key(Identity identity, boolean writable) {}

    /**
     * The file behind a descriptor, retained for the caller.
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
        FileMemory known = open.get(key);   // it has the file open, so the inode is still the same file's
        if (known != null) {
            known.holders++;
            return known;
        }
        FileMemory memory = new FileMemory(file, key, pins);
        open.put(key, memory);
        return memory;
    }

    synchronized void retain(FileMemory memory) {
        assert memory.holders > 0 : "what nobody held is closed";
        memory.holders++;
    }

    synchronized void release(FileMemory memory) {
        assert memory.holders > 0 : "released more often than retained";
        if (--memory.holders == 0) {
            open.remove(memory.key());
            memory.close();
        }
    }

    /** Files that are open. */
    public synchronized int count() {
        return open.size();
    }
}
