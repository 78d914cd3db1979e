package vdpa.adapter.memory;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;

/** The few system calls behind {@link NotificationPages} (memfd_create(2), ftruncate(2), fcntl(2), mmap(2)). */
final class SystemCalls {
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int F_ADD_SEALS = 1033;
    /** F_SEAL_SEAL, F_SEAL_SHRINK and F_SEAL_GROW. */
    private static final int FIXED_SIZE = 7;
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_SHARED = 1;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = CALL_STATE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    private static final MethodHandle MEMFD_CREATE = function("memfd_create", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle FTRUNCATE = function("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle FCNTL = LINKER.downcallHandle(symbol("fcntl"), FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
            Linker.Option.firstVariadicArg(2), Linker.Option.captureCallState("errno"));
    private static final MethodHandle MMAP = function("mmap",
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = function("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    private SystemCalls() {}

    /** A new file in memory, whose size nobody can change. */
    static int createFile(String name, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
            int file = (int) check("memfd_create", (int) MEMFD_CREATE.invokeExact(state, arena.allocateFrom(name), flags), state);
            check("ftruncate", (int) FTRUNCATE.invokeExact(state, file, lengthBytes), state);
            check("fcntl", (int) FCNTL.invokeExact(state, file, F_ADD_SEALS, FIXED_SIZE), state);
            return file;
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    static long map(int file, long offset, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            return check("mmap", (long) MMAP.invokeExact(state, 0L, lengthBytes, PROT_READ_WRITE, MAP_SHARED, file, offset), state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    static void unmap(long address, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            check("munmap", (int) MUNMAP.invokeExact(state, address, lengthBytes), state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    static void close(int file) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            check("close", (int) CLOSE.invokeExact(state, file), state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static long check(String call, long result, MemorySegment state) {
        if (result == -1) {
            throw new IommufdException(Errno.ENOMEM, "%s failed with errno %d: memory for a device's notification pages".formatted(call, state.get(JAVA_INT, ERRNO_OFFSET)));
        }
        return result;
    }

    private static Error impossible(Throwable thrown) {
        if (thrown instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        return thrown instanceof Error error ? error : new AssertionError("a system call throws nothing checked", thrown);
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(symbol(name), descriptor, Linker.Option.captureCallState("errno"));
    }

    private static MemorySegment symbol(String name) {
        return LINKER.defaultLookup().find(name).orElseThrow(() -> new IllegalStateException("the C library has no " + name));
    }
}
