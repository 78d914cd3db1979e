package devnode.fuse.server;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * The files that clients map instead of nodes ({@code FOPEN_PASSTHROUGH}), registered with the kernel once for each inode while it is
 * open. Thread-safe.
 */
final class BackingFiles {
    /** {@code FUSE_DEV_IOC_BACKING_OPEN} of a {@code struct fuse_backing_map}. */
    private static final long BACKING_OPEN = 0x4010_E501L;
    /** {@code FUSE_DEV_IOC_BACKING_CLOSE}. */
    private static final long BACKING_CLOSE = 0x4004_E502L;
    private static final int MAP_BYTES = 16;

    private final int device;
    private final Map<Long, Registration> byInode = new HashMap<>();

    private static final class Registration {
        final int id;
        final int file;
        int uses;

        Registration(int id, int file) {
            this.id = id;
            this.file = file;
        }
    }

    BackingFiles(int device) {
        this.device = device;
    }

    /** @throws IommufdException if the kernel takes no such file */
    synchronized int acquire(long inode, int file) {
        Registration registration = byInode.get(inode);
        if (registration == null) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment map = arena.allocate(MAP_BYTES, 8);
                map.set(JAVA_INT, 0, file);
                int id = Linux.ioctl(device, BACKING_OPEN, map.address());
                registration = new Registration(ErrorNumber.check("the kernel does not map this file for clients; Linux 6.9 can", id), file);
            }
            byInode.put(inode, registration);
        }
        registration.uses++;
        return registration.id;
    }

    /** Does something with the file that clients of an open node map. */
    synchronized <T> Optional<T> with(long inode, IntFunction<T> use) {
        return Optional.ofNullable(byInode.get(inode)).map(registration -> use.apply(registration.file));
    }

    synchronized void release(long inode) {
        Registration registration = byInode.get(inode);
        if (--registration.uses > 0) {
            return;
        }
        byInode.remove(inode);
        try (Arena arena = Arena.ofConfined()) {
            Linux.ioctl(device, BACKING_CLOSE, arena.allocateFrom(JAVA_INT, registration.id).address());
        }
    }
}
