package devnode.fuse.launch;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.DeviceNumber;
import devnode.fuse.server.FuseServer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;

/**
 * Answers stat(2) and the like for nodes: FUSE has only regular files, this makes character devices of them. What is not surely a node
 * the kernel answers itself. For one thread.
 *
 * <p>A path is looked up as the program would, from its root directory. Paths through {@code /proc/self} are not: that would be us.
 */
final class StatReports {
    private static final int AT_FDCWD = -100;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int PATH_BYTES = 4096;
    private static final int PAGE_BYTES = 4096;
    /** Most paths are shorter. */
    private static final int FIRST_READ_BYTES = 256;

    private final FuseServer server;
    private final Architecture architecture = Architecture.current();
    private final FileStatus status = new FileStatus();
    private final MemorySegment path = Arena.ofAuto().allocate(2L * PATH_BYTES, 8);
    private final MemorySegment how = Arena.ofAuto().allocate(Linux.OPEN_HOW_BYTES, 8);
    private final MemorySegment vectors = Arena.ofAuto().allocate(Linux.VECTOR_BYTES, 8);

    StatReports(FuseServer server) {
        this.server = server;
    }

    boolean answers(int number) {
        return number != architecture.ioctl() && number != architecture.read();
    }

    /** Does everything once, so that no class is loaded later: that may call stat(2) and wait for who waits for us. */
    void rehearse() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(512, 8);
            int self = (int) ProcessHandle.current().pid();
            MemorySegment absolute = arena.allocateFrom("/dev/null");
            MemorySegment relative = arena.allocateFrom("dev");
            answer(self, architecture.newfstatat(), AT_FDCWD, absolute.address(), target.address(), 0, 0, () -> true);
            answer(self, architecture.newfstatat(), AT_FDCWD, relative.address(), target.address(), AT_SYMLINK_NOFOLLOW, 0, () -> true);
            answer(self, architecture.fstat(), 0, target.address(), 0, 0, 0, () -> true);
            status.becomeCharacterDevice(1, 1);
            write(self, target.address(), false, () -> true);
            write(self, target.address(), true, () -> true);
        }
    }

    /**
     * @param thread that calls
     * @param number of the system call
     * @param isWaiting whether the call still waits for its answer; if not, the number may be another thread's now
     * @return 0 or minus an error number; empty if the kernel shall answer
     */
    OptionalInt answer(int thread, int number, long first, long second, long third, long fourth, long fifth, BooleanSupplier isWaiting) {
        if (number == architecture.fstat()) {
            return ofDescriptor(thread, (int) first) ? write(thread, second, false, isWaiting) : OptionalInt.empty();
        }
        if (number == architecture.stat() || number == architecture.lstat()) {
            return ofPath(thread, AT_FDCWD, first, number == architecture.stat() ? 0 : AT_SYMLINK_NOFOLLOW)
                    ? write(thread, second, false, isWaiting) : OptionalInt.empty();
        }
        if (number == architecture.newfstatat()) {
            return ofPath(thread, (int) first, second, (int) fourth) ? write(thread, third, false, isWaiting) : OptionalInt.empty();
        }
        return ofPath(thread, (int) first, second, (int) third) ? write(thread, fifth, true, isWaiting) : OptionalInt.empty();
    }

    private OptionalInt write(int thread, long address, boolean extended, BooleanSupplier isWaiting) {
        Optional<DeviceNumber> device = server.number(status.inode());
        device.ifPresent(known -> status.becomeCharacterDevice(known.major(), known.minor()));
        if (device.isEmpty() || !isWaiting.getAsBoolean()) {
            return OptionalInt.empty();
        }
        MemorySegment struct = extended ? status.statx() : status.stat();
        long written = Linux.writeProcess(thread, address, struct.address(), struct.byteSize(), vectors);
        return OptionalInt.of(written == struct.byteSize() ? 0 : -ErrorNumber.EFAULT);
    }

    /** @return whether {@link #status} is that of a file of ours */
    private boolean ofDescriptor(int thread, int number) {
        return status.load("/proc/" + thread + "/fd/" + number) == 0 && status.device() == server.fileSystem();
    }

    private boolean ofPath(int thread, int directory, long address, int flags) {
        int length = readPath(thread, address);
        if (length == 0 && (flags & AT_EMPTY_PATH) != 0) {
            return directory != AT_FDCWD && ofDescriptor(thread, directory);
        }
        if (length <= 0 || path.get(JAVA_BYTE, 0) != '/' && !makeAbsolute(thread, directory, length)) {
            return false;
        }
        int root = Linux.open("/proc/" + thread + "/root", Linux.O_PATH);
        if (root < 0) {
            return false;
        }
        int file = Linux.openPathIn(root, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, how);
        Linux.close(root);
        if (file < 0) {
            return false;
        }
        int error = status.load(file);
        Linux.close(file);
        return error == 0 && status.device() == server.fileSystem();
    }

    /** @return length of the path, which is in {@link #path}; minus 1 if there is none, or a longer one than may be */
    private int readPath(int thread, long address) {
        if (address == 0) {
            return 0;
        }
        int length = 0;
        while (length < PATH_BYTES) {
            int toPageEnd = (int) (PAGE_BYTES - (address + length & PAGE_BYTES - 1));
            int part = Math.min(toPageEnd, length == 0 ? FIRST_READ_BYTES : PATH_BYTES - length);
            if (Linux.readProcess(thread, address + length, path.address() + length, part, vectors) != part) {
                return -1;
            }
            for (int end = length + part; length < end; length++) {
                if (path.get(JAVA_BYTE, length) == 0) {
                    return length;
                }
            }
        }
        return -1;
    }

    /** Puts the directory that the path is relative to in front of it. */
    private boolean makeAbsolute(int thread, int directory, int length) {
        String link = "/proc/" + thread + (directory == AT_FDCWD ? "/cwd" : "/fd/" + directory);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment before = arena.allocate(PATH_BYTES);
            long bytes = Linux.readLink(link, before.address(), PATH_BYTES - 1);
            if (bytes <= 0 || before.get(JAVA_BYTE, 0) != '/') {
                return false;
            }
            MemorySegment.copy(path, 0, path, bytes + 1, length + 1L);
            MemorySegment.copy(before, 0, path, 0, bytes);
            path.set(JAVA_BYTE, bytes, (byte) '/');
            return true;
        }
    }
}
