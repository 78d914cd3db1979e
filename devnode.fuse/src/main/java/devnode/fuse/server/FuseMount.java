package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A mounted FUSE file system: at a directory for all to see, or in a mount namespace of a thread of ours, which nobody else sees and
 * which goes when this process does.
 */
final class FuseMount {
    private static final Logger LOG = LoggerFactory.getLogger(FuseMount.class);
    private static final int CLONE_FS = 0x200;
    private static final int CLONE_NEWNS = 0x20000;
    private static final long MS_NOSUID = 2;
    private static final long MS_NODEV = 4;
    private static final long MS_REC = 0x4000;
    private static final long MS_SLAVE = 1 << 19;
    private static final int MNT_FORCE = 1;
    private static final int MNT_DETACH = 2;

    private final ExecutorService keeper = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("devnode-mount").daemon().factory());
    private final Path point;
    private final boolean isPrivate;
    private int device = -1;
    private int root = -1;
    private int namespace = -1;

    private FuseMount(Path point, boolean isPrivate) {
        this.point = point;
        this.isPrivate = isPrivate;
    }

    /**
     * Mounts. The first request on {@link #device()} is the kernel's INIT.
     *
     * @param publicPoint an existing directory; empty for a private mount
     * @throws IommufdException with the reason
     */
    static FuseMount create(Optional<Path> publicPoint) {
        FuseMount mount;
        try {
            mount = new FuseMount(publicPoint.isPresent() ? publicPoint.get() : Files.createTempDirectory("devnode"), publicPoint.isEmpty());
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "no temporary directory can be made to mount at", e);
        }
        try {
            mount.onKeeper(mount::mount);
            return mount;
        } catch (IommufdException refused) {
            mount.close();
            throw refused;
        }
    }

    /** {@code /dev/fuse}, where requests are read and answers written. */
    int device() {
        return device;
    }

    /** Our end of the file system's root, whatever namespace it is mounted in. */
    int root() {
        return root;
    }

    /** Where it is mounted, in {@link #namespace()}. */
    Path point() {
        return point;
    }

    /** The mount namespace it is mounted in. */
    int namespace() {
        return namespace;
    }

    /** Ends the connection: calls of clients under way and to come fail, reading {@link #device()} ends. */
    void abort() {
        onKeeper(() -> {
            Linux.umount(point.toString(), MNT_FORCE);
            Linux.umount(point.toString(), MNT_DETACH);
        });
    }

    /** After {@link #abort()}, when nobody reads any more. */
    void close() {
        keeper.shutdown();
        for (int file : new int[] {device, root, namespace}) {
            if (file >= 0) {
                Linux.close(file);
            }
        }
        if (isPrivate) {
            try {
                Files.deleteIfExists(point);
            } catch (IOException e) {
                LOG.warn("the mount point {} cannot be removed", point, e);
            }
        }
    }

    private void mount() {
        device = ErrorNumber.check("/dev/fuse cannot be opened: is FUSE in the kernel (modprobe fuse), and passed into this container?",
                Linux.open("/dev/fuse", Linux.O_RDWR | Linux.O_NONBLOCK));
        if (isPrivate) {
            ErrorNumber.check("no private mount namespace can be made: CAP_SYS_ADMIN is needed (run as root)", Linux.unshare(CLONE_FS | CLONE_NEWNS));
            ErrorNumber.check("the mounts of the private namespace cannot be kept private", Linux.mount("none", "/", "none", MS_REC | MS_SLAVE, ""));
        }
        namespace = ErrorNumber.check("the mount namespace cannot be opened", Linux.open("/proc/thread-self/ns/mnt", Linux.O_RDONLY));
        String options = "fd=" + device + ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
        ErrorNumber.check("FUSE cannot be mounted at " + point + ": CAP_SYS_ADMIN is needed (run as root)",
                Linux.mount("devnode", point.toString(), "fuse.devnode", MS_NOSUID | MS_NODEV, options));
        root = ErrorNumber.check("the mount at " + point + " cannot be opened", Linux.open(point.toString(), Linux.O_PATH));
    }

    /** Uninterruptible: an unmount must not be left out. */
    private void onKeeper(Runnable task) {
        try {
            CompletableFuture.runAsync(task, keeper).join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof RuntimeException unchecked) {
                throw unchecked;
            }
            throw failed;
        }
    }
}
