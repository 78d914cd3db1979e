package devnode.fuse.launch;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.FuseServer;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * A mount namespace in which {@code /dev} holds what it held before, and the nodes, and in which programs see what services show in
 * sysfs.
 */
public final class ClientNamespace {
    private static final int CLONE_FS = 0x200;
    private static final int CLONE_NEWNS = 0x20000;
    private static final long MS_NOSUID = 2;
    private static final long MS_BIND = 0x1000;
    private static final long MS_MOVE = 0x2000;
    private static final long MS_REC = 0x4000;
    private static final long MS_SLAVE = 1 << 19;
    private static final int MNT_DETACH = 2;
    private static final Path DEV = Path.of("/dev");
    private static final Path DEVICES = Path.of("/proc/devices");

    private ClientNamespace() {}

    /**
     * Puts the calling thread, and the processes it starts, into a new namespace, in the same working directory as before.
     *
     * @throws iommufd.api.IommufdException if the system does not allow it
     */
    public static void enter(FuseServer server) {
        String directory = Path.of("").toAbsolutePath().toString();
        ErrorNumber.check("this thread cannot get a working directory of its own", Linux.unshare(CLONE_FS));
        ErrorNumber.check("the namespace of the nodes cannot be entered", Linux.setns(server.namespace(), CLONE_NEWNS));
        ErrorNumber.check("no mount namespace can be made: CAP_SYS_ADMIN is needed (run as root)", Linux.unshare(CLONE_NEWNS));
        ErrorNumber.check("the mounts cannot be kept private", Linux.mount("none", "/", "none", MS_REC | MS_SLAVE, ""));
        try {
            addTo(DEV, server.point());
            showSysfs(server);
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "/dev and /sys cannot be filled: " + e, e);
        }
        bind(server.replacementOf(DEVICES), DEVICES);
        ErrorNumber.check("the working directory cannot be entered", Linux.changeDirectory(directory));
    }

    /** Lets a directory show what it shows now, and what is in ours. */
    private static void addTo(Path directory, Path ours) throws IOException {
        Path stage = Files.createTempDirectory("devnode");
        try {
            ErrorNumber.check("no tmpfs can be mounted for " + directory, Linux.mount("devnode", stage.toString(), "tmpfs", MS_NOSUID, "mode=0755"));
            merge(directory, ours, stage);
            ErrorNumber.check(directory + " cannot be replaced", Linux.mount(stage.toString(), directory.toString(), "none", MS_MOVE, ""));
        } finally {
            Linux.umount(stage.toString(), MNT_DETACH); // if it was not moved
            Files.deleteIfExists(stage);
        }
    }

    /** Directories that the machine has are hidden by ours; those that it has not are added to the next one above that it has. */
    private static void showSysfs(FuseServer server) throws IOException {
        List<Path> hidden = new ArrayList<>();
        SortedSet<Path> extended = new TreeSet<>();
        for (String name : server.sysfsPaths()) {
            Path path = Path.of(name);
            if (Files.isDirectory(path)) {
                hidden.add(path);
            } else if (extended.stream().noneMatch(path::startsWith)) {
                Path above = path.getParent();
                while (!Files.isDirectory(above)) {
                    above = above.getParent();
                }
                Path deepest = above;
                extended.removeIf(other -> other.startsWith(deepest));
                extended.add(above);
            }
        }
        for (Path path : extended) {
            addTo(path, server.replacementOf(path));
        }
        hidden.forEach(path -> bind(server.replacementOf(path), path));
    }

    private static void bind(Path ours, Path place) {
        ErrorNumber.check(place + " cannot be replaced", Linux.mount(ours.toString(), place.toString(), "none", MS_BIND | MS_REC, ""));
    }

    /** Fills {@code target} with what is in {@code old} and {@code nodes}; nodes hide what has the same name. */
    private static void merge(Path old, Path nodes, Path target) throws IOException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(old)) {
            for (Path entry : entries) {
                if (!Files.exists(nodes.resolve(entry.getFileName()), LinkOption.NOFOLLOW_LINKS)) {
                    put(entry, target.resolve(entry.getFileName()));
                }
            }
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(nodes)) {
            for (Path entry : entries) {
                Path before = old.resolve(entry.getFileName());
                Path place = target.resolve(entry.getFileName());
                if (Files.isDirectory(entry) && Files.isDirectory(before)) {
                    Files.createDirectory(place);
                    merge(before, entry, place);
                } else {
                    put(entry, place);
                }
            }
        }
    }

    private static void put(Path entry, Path place) throws IOException {
        if (Files.isSymbolicLink(entry)) {
            Files.createSymbolicLink(place, Files.readSymbolicLink(entry));
            return;
        }
        if (Files.isDirectory(entry)) {
            Files.createDirectory(place);
        } else {
            Files.createFile(place);
        }
        bind(entry, place);
    }
}
