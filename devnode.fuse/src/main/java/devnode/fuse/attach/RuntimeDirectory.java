package devnode.fuse.attach;

import devnode.fuse.linux.UnixSocket;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Where the runtimes of a user have their sockets, each under its name: {@code $IOMMUFD_RUNTIME_DIR}, or {@code /run/iommufd} for the
 * administrator and {@code $XDG_RUNTIME_DIR/iommufd} for others.
 */
public final class RuntimeDirectory {
    private static final String OVERRIDE = "IOMMUFD_RUNTIME_DIR";
    private static final String SUFFIX = ".sock";
    private static final String NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}";

    private final Path directory;

    /** A runtime that listens. @param process its number */
    record Listening(String name, int process, Path socket) {
        @Override
        public String toString() {
            return name.equals(Integer.toString(process)) ? name : name + " (process " + process + ")";
        }
    }

    /** @param directory made when somebody listens in it */
    public RuntimeDirectory(Path directory) {
        this.directory = directory;
    }

    /** The one of this process's user. @throws IommufdException {@link Errno#ENODEV} if there is none */
    public static RuntimeDirectory ofUser() {
        String override = System.getenv(OVERRIDE);
        if (override != null && !override.isEmpty()) {
            return new RuntimeDirectory(Path.of(override));
        }
        if (isAdministrator()) {
            return new RuntimeDirectory(Path.of("/run/iommufd"));
        }
        String ofUser = System.getenv("XDG_RUNTIME_DIR");
        if (ofUser == null || ofUser.isEmpty()) {
            throw new IommufdException(Errno.ENODEV, "there is no directory for sockets: neither " + OVERRIDE + " nor XDG_RUNTIME_DIR is set");
        }
        return new RuntimeDirectory(Path.of(ofUser, "iommufd"));
    }

    private static boolean isAdministrator() {
        try {
            return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "/proc is not mounted", e);
        }
    }

    /**
     * Starts to listen.
     *
     * @param name letters, digits, and . _ - in between; a number is put behind if another runtime has it
     * @return the file of the socket, which whoever stops to listen deletes
     * @throws IllegalArgumentException if the name makes no sense
     * @throws IommufdException if no socket can be made
     */
    Bound listen(String name) {
        if (!name.matches(NAME)) {
            throw new IllegalArgumentException("a runtime cannot be called '" + name + "'");
        }
        try {
            Files.createDirectories(directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            removeLeftovers();
            // Nobody shall find a socket that does not listen yet, or take it for one that was left behind.
            Path fresh = directory.resolve("." + ProcessHandle.current().pid() + "-" + System.nanoTime());
            UnixSocket socket = UnixSocket.listen(fresh);
            try {
                Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-------"));
                return new Bound(socket, publish(fresh, name));
            } catch (IOException | RuntimeException failed) {
                socket.close();
                Files.deleteIfExists(fresh);
                throw failed;
            }
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "no socket can be made in " + directory + ": " + e, e);
        }
    }

    /** A socket that listens, and its file. */
    record Bound(UnixSocket socket, Path file) {}

    private Path publish(Path fresh, String name) throws IOException {
        for (int number = 1;; number++) {
            Path file = directory.resolve(name + (number == 1 ? "" : "-" + number) + SUFFIX);
            if (process(file).isEmpty()) {
                Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                return file;
            }
        }
    }

    /** Of runtimes that were killed. */
    private void removeLeftovers() throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "[!.]*" + SUFFIX)) {
            for (Path file : files) {
                if (process(file).isEmpty()) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    private static Optional<Integer> process(Path file) {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try (UnixSocket socket = UnixSocket.connect(file)) {
            return Optional.of(socket.peer());
        } catch (IommufdException leftBehind) {
            return Optional.empty();
        }
    }

    /** The runtimes that listen now. */
    List<Listening> runtimes() {
        List<Listening> listening = new ArrayList<>();
        if (!Files.isDirectory(directory)) {
            return listening;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(SUFFIX) && !name.startsWith(".")) {
                    process(file).ifPresent(process -> listening.add(
                            new Listening(name.substring(0, name.length() - SUFFIX.length()), process, file)));
                }
            }
        } catch (IOException | UncheckedIOException e) {
            throw new IommufdException(Errno.EIO, directory + " cannot be listed: " + e, e);
        }
        return listening;
    }

    /**
     * The runtime that is meant.
     *
     * @param name of a runtime, or the number of its process; empty for the only one there is
     * @throws IommufdException {@link Errno#ENODEV}, with a message that says which there are
     */
    Listening find(Optional<String> name) {
        List<Listening> all = runtimes();
        List<Listening> fitting = all.stream()
                .filter(runtime -> name.isEmpty() || name.get().equals(runtime.name()) || name.get().equals(Integer.toString(runtime.process()))).toList();
        if (fitting.size() == 1) {
            return fitting.getFirst();
        }
        String names = all.stream().map(Listening::toString).collect(Collectors.joining(", "));
        if (all.isEmpty()) {
            throw new IommufdException(Errno.ENODEV, "no runtime is up: none has a socket in " + directory
                    + ". Start one by ./vmm, as the same user; or leave --attach out, and the program gets a runtime of its own");
        }
        if (fitting.isEmpty()) {
            throw new IommufdException(Errno.ENODEV, "there is no runtime '" + name.orElseThrow() + "'; up are " + names);
        }
        throw new IommufdException(Errno.ENODEV, "several runtimes are up: say which one by --attach NAME. There are " + names);
    }
}
