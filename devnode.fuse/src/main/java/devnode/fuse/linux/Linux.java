package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * System calls. Every method returns what the kernel returns: a result that is not negative, or minus an {@link ErrorNumber}.
 * Addresses are plain numbers; whoever passes one keeps its memory alive. Thread-safe.
 */
public final class Linux {
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_CLOEXEC = 0x80000;
    public static final int O_PATH = 0x200000;
    public static final int O_ACCMODE = 3;
    /** poll(2). */
    public static final int POLLIN = 1;
    /** poll(2). */
    public static final int POLLOUT = 4;
    /** poll(2). */
    public static final int POLLHUP = 16;
    /** Size of a {@code struct pollfd}. */
    public static final int POLL_BYTES = 8;
    /** fcntl(2). */
    public static final int F_GETFL = 3;

    /** Of getrlimit(2). */
    public static final int RLIMIT_MEMLOCK = 8;
    /** Size of a {@code struct rlimit}: soft and hard limit, -1 for none. */
    public static final int LIMITS_BYTES = 16;

    private static final long SYS_PIDFD_OPEN = 434;
    private static final long SYS_PIDFD_GETFD = 438;
    private static final long SYS_OPENAT2 = 437;

    private static final MethodHandle OPENAT = CLibrary.variadic("openat", 3, FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    private static final MethodHandle CLOSE = CLibrary.function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle READ = CLibrary.function("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle WRITE = CLibrary.function("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PREAD = CLibrary.function("pread", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PWRITE = CLibrary.function("pwrite", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle IOCTL = CLibrary.variadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle QUERY = CLibrary.plainVariadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle FCNTL = CLibrary.variadic("fcntl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle POLL = CLibrary.function("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle STATX = CLibrary.function("statx", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle READLINK = CLibrary.function("readlink", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MOUNT = CLibrary.function("mount", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
    private static final MethodHandle UMOUNT2 = CLibrary.function("umount2", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle UNSHARE = CLibrary.function("unshare", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle SETNS = CLibrary.function("setns", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle CHDIR = CLibrary.function("chdir", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle VM_READ = CLibrary.function("process_vm_readv",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle VM_WRITE = CLibrary.function("process_vm_writev",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PREADV2 = CLibrary.function("preadv2",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle EVENTFD = CLibrary.function("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle TGKILL = CLibrary.function("tgkill", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle KILL = CLibrary.function("kill", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle WAITPID = CLibrary.function("waitpid", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle TCGETPGRP = CLibrary.function("tcgetpgrp", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle GETPGRP = CLibrary.function("getpgrp", FunctionDescriptor.of(JAVA_INT));
    private static final MethodHandle PRLIMIT = CLibrary.function("prlimit", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MEMFD_CREATE = CLibrary.function("memfd_create", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle FTRUNCATE = CLibrary.function("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle SYSCALL = CLibrary.variadic("syscall", 1, FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

    private static final MethodHandle SYSCALL4 = CLibrary.variadic("syscall", 1,
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

    private static final int AT_FDCWD = -100;

    private Linux() {}

    public static int open(String path, int flags) {
        return openAt(AT_FDCWD, path, flags);
    }

    /** The descriptor is closed on exec, always. */
    public static int openAt(int directory, String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) OPENAT.invokeExact(state, directory, arena.allocateFrom(path), flags | O_CLOEXEC, 0), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /**
     * Opens a path with {@code O_PATH} as a process would whose root directory is another one (openat2(2)).
     *
     * @param path absolute or relative to the root directory, ended by a zero byte
     * @param how scratch of {@link #OPEN_HOW_BYTES}
     */
    public static int openPathIn(int root, MemorySegment path, boolean followLink, MemorySegment how) {
        final long noFollow = 0x20000;
        final long resolveInRoot = 0x10;
        how.set(JAVA_LONG, 0, O_PATH | O_CLOEXEC | (followLink ? 0 : noFollow));
        how.set(JAVA_LONG, 8, 0);
        how.set(JAVA_LONG, 16, resolveInRoot);
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((long) SYSCALL4.invokeExact(state, SYS_OPENAT2, (long) root, path.address(), how.address(),
                    OPEN_HOW_BYTES), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** {@code struct open_how}. */
    public static final long OPEN_HOW_BYTES = 24;

    /** readlink(2). */
    public static long readLink(String path, long address, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) READLINK.invokeExact(state, arena.allocateFrom(path), address, lengthBytes), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int close(int file) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) CLOSE.invokeExact(state, file), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static long read(int file, long address, long lengthBytes) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) READ.invokeExact(state, file, address, lengthBytes), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Reads what is there, without waiting. @param vector scratch of {@link #VECTOR_BYTES} */
    public static long readNow(int file, long address, long lengthBytes, MemorySegment vector) {
        final int dontWait = 8;
        try {
            MemorySegment state = CLibrary.state();
            vector.set(JAVA_LONG, 0, address);
            vector.set(JAVA_LONG, 8, lengthBytes);
            return CLibrary.result((long) PREADV2.invokeExact(state, file, vector.address(), 1, -1L, dontWait), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** A counter that is 0. */
    public static int createEventfd() {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) EVENTFD.invokeExact(state, 0, O_CLOEXEC), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static long write(int file, long address, long lengthBytes) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) WRITE.invokeExact(state, file, address, lengthBytes), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static long pread(int file, long address, long lengthBytes, long offset) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) PREAD.invokeExact(state, file, address, lengthBytes, offset), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static long pwrite(int file, long address, long lengthBytes, long offset) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) PWRITE.invokeExact(state, file, address, lengthBytes, offset), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int ioctl(int file, long request, long argument) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) IOCTL.invokeExact(state, file, request, argument), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** An ioctl that only asks. Where answers come often: it allocates nothing even where the compiler cannot see the whole call. */
    static int query(int file, long request, long argument) {
        try {
            int result = (int) QUERY.invokeExact(file, request, argument);
            return result >= 0 ? result : ioctl(file, request, argument); // once more, for its errno
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int fcntl(int file, int command, long argument) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) FCNTL.invokeExact(state, file, command, argument), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /**
     * Whether a file is ready now.
     *
     * @param address of {@link #POLL_BYTES} bytes, aligned to 8, which calls for the same file and events may share
     */
    public static boolean isReady(int file, int events, long address) {
        MemorySegment descriptor = MemorySegment.ofAddress(address).reinterpret(POLL_BYTES);
        descriptor.set(JAVA_LONG, 0, Integer.toUnsignedLong(file) | (long) events << Integer.SIZE);
        try {
            return (int) POLL.invokeExact(CLibrary.state(), address, 1L, 0) > 0;
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Waits for one file. @return its {@code revents}; 0 after the timeout */
    public static int poll(int file, int events, int timeoutMillis) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            MemorySegment descriptor = arena.allocate(8, 8);
            descriptor.set(JAVA_INT, 0, file);
            descriptor.set(JAVA_INT, 4, events);
            long count = CLibrary.result((int) POLL.invokeExact(state, descriptor.address(), 1L, timeoutMillis), state);
            return count <= 0 ? (int) count : descriptor.get(JAVA_INT, 4) >>> 16;
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Fills a {@link FileStatus} of an open file. */
    static int statx(int file, MemorySegment path, int flags, int mask, long address) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) STATX.invokeExact(state, file, path, flags, mask, address), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int mount(String source, String target, String type, long flags, String options) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) MOUNT.invokeExact(state, arena.allocateFrom(source), arena.allocateFrom(target),
                    arena.allocateFrom(type), flags, arena.allocateFrom(options)), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int umount(String target, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) UMOUNT2.invokeExact(state, arena.allocateFrom(target), flags), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int unshare(int flags) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) UNSHARE.invokeExact(state, flags), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int setns(int namespace, int type) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) SETNS.invokeExact(state, namespace, type), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Of the thread, if it shares its working directory with no other. */
    public static int changeDirectory(String path) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) CHDIR.invokeExact(state, arena.allocateFrom(path)), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** process_vm_readv(2) of one piece; {@code vectors} is scratch of {@link #VECTOR_BYTES}. */
    public static long readProcess(int thread, long remoteAddress, long localAddress, long lengthBytes, MemorySegment vectors) {
        try {
            MemorySegment state = CLibrary.state();
            fill(vectors, remoteAddress, localAddress, lengthBytes);
            return CLibrary.result((long) VM_READ.invokeExact(state, thread, vectors.address(), 1L, vectors.address() + 16, 1L, 0L), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** process_vm_writev(2) of one piece; {@code vectors} is scratch of {@link #VECTOR_BYTES}. */
    public static long writeProcess(int thread, long remoteAddress, long localAddress, long lengthBytes, MemorySegment vectors) {
        try {
            MemorySegment state = CLibrary.state();
            fill(vectors, remoteAddress, localAddress, lengthBytes);
            return CLibrary.result((long) VM_WRITE.invokeExact(state, thread, vectors.address(), 1L, vectors.address() + 16, 1L, 0L), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Two {@code struct iovec}: local, remote. */
    public static final int VECTOR_BYTES = 32;

    private static void fill(MemorySegment vectors, long remoteAddress, long localAddress, long lengthBytes) {
        vectors.set(JAVA_LONG, 0, localAddress);
        vectors.set(JAVA_LONG, 8, lengthBytes);
        vectors.set(JAVA_LONG, 16, remoteAddress);
        vectors.set(JAVA_LONG, 24, lengthBytes);
    }

    /** Whether a thread is one of a process now. */
    public static boolean isThreadOf(int process, int thread) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) TGKILL.invokeExact(state, process, thread, 0) == 0;
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int kill(int process, int signal) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) KILL.invokeExact(state, process, signal), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Waits for the end of a child. @param status 4 bytes for its wait status */
    public static int waitpid(int process, MemorySegment status) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) WAITPID.invokeExact(state, process, status, 0), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Whether a terminal sends its signals to the process group of this process. */
    public static boolean inForegroundOf(int terminal) {
        try {
            MemorySegment state = CLibrary.state();
            int foreground = (int) TCGETPGRP.invokeExact(state, terminal);
            return foreground > 0 && foreground == (int) GETPGRP.invokeExact(state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Reads the limits of a process. @param limits {@link #LIMITS_BYTES} for them */
    public static int limits(int process, int resource, MemorySegment limits) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) PRLIMIT.invokeExact(state, process, resource, 0L, limits.address()), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** An empty file in memory. */
    public static int createMemoryFile(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            final int closeOnExec = 1;
            return (int) CLibrary.result((int) MEMFD_CREATE.invokeExact(state, arena.allocateFrom(name), closeOnExec), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    public static int truncate(int file, long lengthBytes) {
        try {
            MemorySegment state = CLibrary.state();
            return (int) CLibrary.result((int) FTRUNCATE.invokeExact(state, file, lengthBytes), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** A descriptor of a process (not of a single thread). */
    public static int openProcess(int process) {
        return (int) syscall(SYS_PIDFD_OPEN, process, 0, 0);
    }

    /** A copy of a process's descriptor in this process. */
    public static int takeFile(int processDescriptor, int number) {
        return (int) syscall(SYS_PIDFD_GETFD, processDescriptor, number, 0);
    }

    /** Any system call of three arguments, by its number. */
    public static long syscall(long number, long first, long second, long third) {
        try {
            MemorySegment state = CLibrary.state();
            return CLibrary.result((long) SYSCALL.invokeExact(state, number, first, second, third), state);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }
}
