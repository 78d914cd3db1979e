package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * The system calls behind {@link NamespaceFile}. Java's own files lack what a disk needs: to punch holes, and error numbers that
 * tell a full file system from a broken one. Calls allocate nothing; they answer as the system does, or a negative errno.
 */
final class FileCalls {
    static final int EINTR = 4;
    static final int ENOSPC = 28;
    static final int EDQUOT = 122;

    static final int READ_ONLY = 0;
    static final int READ_WRITE = 2;
    static final int KEEP_SIZE = 1;
    static final int PUNCH_HOLE = 2;
    static final int ZERO_RANGE = 0x10;

    private static final int CLOSE_ON_EXEC = 0x80000;
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final int SEEK_END = 2;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(StructLayout.PathElement.groupElement("errno"));
    private static final MethodHandle OPEN = function("open", 2, FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle SEEK = function("lseek", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MAP =
            function("mmap", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle UNMAP = function("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle READ =
            function("pread", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle WRITE =
            function("pwrite", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle SYNC = function("fdatasync", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle ALLOCATE =
            function("fallocate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));

    /** Where errno is left; one thread at a time. */
    private final MemorySegment state;

    FileCalls(Arena arena) {
        state = arena.allocate(STATE);
    }

    int open(MemorySegment path, int mode) {
        try {
            int file = (int) OPEN.invokeExact(state, path, mode | CLOSE_ON_EXEC, 0);
            return file >= 0 ? file : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /** Never worth an answer: nothing can be done. */
    static void close(int file) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ignored = arena.allocate(STATE);
            int alsoIgnored = (int) CLOSE.invokeExact(ignored, file);
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    static void unmap(MemorySegment mapped) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ignored = arena.allocate(STATE);
            int alsoIgnored = (int) UNMAP.invokeExact(ignored, mapped.address(), mapped.byteSize());
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    long map(int file, long lengthBytes, boolean writable) {
        try {
            int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
            long address = (long) MAP.invokeExact(state, 0L, lengthBytes, protection, MAP_SHARED, file, 0L);
            return address == -1 ? error() : address;
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /** How long the file is now, which others may change. */
    long sizeBytes(int file) {
        try {
            long size = (long) SEEK.invokeExact(state, file, 0L, SEEK_END);
            return size >= 0 ? size : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    long read(int file, MemorySegment target, long lengthBytes, long offset) {
        try {
            long read = (long) READ.invokeExact(state, file, target, lengthBytes, offset);
            return read >= 0 ? read : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    long write(int file, MemorySegment source, long lengthBytes, long offset) {
        try {
            long written = (long) WRITE.invokeExact(state, file, source, lengthBytes, offset);
            return written >= 0 ? written : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    int sync(int file) {
        try {
            return (int) SYNC.invokeExact(state, file) == 0 ? 0 : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    int allocate(int file, int mode, long offset, long lengthBytes) {
        try {
            return (int) ALLOCATE.invokeExact(state, file, mode, offset, lengthBytes) == 0 ? 0 : error();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    private int error() {
        return -(int) ERRNO.get(state, 0L);
    }

    private static RuntimeException unexpected(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(thrown);
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(name), descriptor, Linker.Option.captureCallState("errno"));
    }

    private static MethodHandle function(String name, int firstVariadic, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(name), descriptor, Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(firstVariadic));
    }

    private static MemorySegment address(String name) {
        return LINKER.defaultLookup().find(name).orElseThrow(() -> new IllegalStateException("the C library has no " + name));
    }
}
