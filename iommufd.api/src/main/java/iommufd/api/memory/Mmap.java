package iommufd.api.memory;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The few system calls behind {@link HostMemory} and {@link SharedFile} (mmap(2), memfd_create(2), madvise(2); ftruncate(2), fcntl(2),
 * fallocate(2)), by Java's foreign function API.
 */
final class Mmap {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_SHARED = 0x01;
    private static final int MAP_PRIVATE = 0x02;
    private static final int MAP_FIXED = 0x10;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_HUGEPAGE = 14;
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int F_ADD_SEALS = 1033;
    /** F_SEAL_SEAL, F_SEAL_SHRINK and F_SEAL_GROW. */
    private static final int FIXED_SIZE = 7;
    /** FALLOC_FL_PUNCH_HOLE, with the FALLOC_FL_KEEP_SIZE it needs. */
    private static final int PUNCH_HOLE = 3;
    private static final int FAILED = -1;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CALL_STATE.varHandle(StructLayout.PathElement.groupElement("errno"));
    private static final MethodHandle MMAP = function("mmap",
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MADVISE = function("madvise",
            FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MEMFD_CREATE = function("memfd_create",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle FTRUNCATE = function("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle FCNTL = function("fcntl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
            Linker.Option.firstVariadicArg(2));
    private static final MethodHandle FALLOCATE = function("fallocate",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MUNMAP = function("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    /** An empty file: every access to a mapping of it is a bus error, unlike the segmentation fault of PROT_NONE. */
    private static final int HOLE_FILE = memoryFile("iommufd-hole", MFD_CLOEXEC);

    private Mmap() {}

    /** Reserves address space that is all hole, for the life of the process. */
    static MemorySegment reserve(long lengthBytes) {
        long address = map(0, lengthBytes, MAP_SHARED | MAP_NORESERVE, HOLE_FILE, 0);
        return MemorySegment.ofAddress(address).reinterpret(lengthBytes);
    }

    static void hole(long address, long lengthBytes) {
        map(address, lengthBytes, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, HOLE_FILE, 0);
    }

    static void anonymous(long address, long lengthBytes, boolean hugePages) {
        map(address, lengthBytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        if (hugePages) {
            adviseHugePages(address, lengthBytes);
        }
    }

    static void file(long address, long lengthBytes, int fileDescriptor, long fileOffset) {
        map(address, lengthBytes, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fileDescriptor, fileOffset);
    }

    static void privateFile(long address, long lengthBytes, int fileDescriptor, long fileOffset) {
        map(address, lengthBytes, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fileDescriptor, fileOffset);
    }

    /** Maps a part of a file wherever there is room. */
    static long shared(int fileDescriptor, long fileOffset, long lengthBytes) {
        return map(0, lengthBytes, MAP_SHARED, fileDescriptor, fileOffset);
    }

    private static long map(long address, long lengthBytes, int flags, int fileDescriptor, long fileOffset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            long mapped = (long) MMAP.invokeExact(state, address, lengthBytes, PROT_READ_WRITE, flags, fileDescriptor, fileOffset);
            if (mapped == FAILED) {
                throw new IommufdException(Errno.ENOMEM, "mmap of %d bytes failed with errno %d; is the address space of this process limited (ulimit -v)?"
                        .formatted(lengthBytes, (int) ERRNO.get(state, 0L)));
            }
            return mapped;
        } catch (RuntimeException | Error unchecked) {
            throw unchecked;
        } catch (Throwable checked) {
            throw new AssertionError("mmap throws nothing checked", checked);
        }
    }

    static void unmap(long address, long lengthBytes) {
        call("munmap", (state, arena) -> (int) MUNMAP.invokeExact(state, address, lengthBytes));
    }

    /** A new file in memory, whose size nobody can change. */
    static int createFile(String name, long lengthBytes) {
        int file = memoryFile(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        try {
            call("ftruncate", (state, arena) -> (int) FTRUNCATE.invokeExact(state, file, lengthBytes));
            call("fcntl", (state, arena) -> (int) FCNTL.invokeExact(state, file, F_ADD_SEALS, FIXED_SIZE));
            return file;
        } catch (RuntimeException | Error failed) {
            close(file);
            throw failed;
        }
    }

    /** Makes a part of a file zero, and gives its memory back; mappings of it stay. */
    static void punch(int file, long offset, long lengthBytes) {
        call("fallocate", (state, arena) -> (int) FALLOCATE.invokeExact(state, file, PUNCH_HOLE, offset, lengthBytes));
    }

    static void close(int file) {
        call("close", (state, arena) -> (int) CLOSE.invokeExact(state, file));
    }

    private static int memoryFile(String name, int flags) {
        return call("memfd_create", (state, arena) -> (int) MEMFD_CREATE.invokeExact(state, arena.allocateFrom(name), flags));
    }

    private interface SystemCall {
        int make(MemorySegment state, Arena arena) throws Throwable;
    }

    private static int call(String name, SystemCall call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            int result = call.make(state, arena);
            if (result == FAILED) {
                throw new IommufdException(Errno.ENOMEM, "%s failed with errno %d".formatted(name, (int) ERRNO.get(state, 0L)));
            }
            return result;
        } catch (RuntimeException | Error unchecked) {
            throw unchecked;
        } catch (Throwable checked) {
            throw new AssertionError(name + " throws nothing checked", checked);
        }
    }

    /** Only a hint: a kernel without transparent huge pages refuses it, and small pages work as well. */
    private static void adviseHugePages(long address, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            int ignored = (int) MADVISE.invokeExact(arena.allocate(CALL_STATE), address, lengthBytes, MADV_HUGEPAGE);
        } catch (RuntimeException | Error unchecked) {
            throw unchecked;
        } catch (Throwable checked) {
            throw new AssertionError("madvise throws nothing checked", checked);
        }
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor, Linker.Option... more) {
        MemorySegment address = LINKER.defaultLookup().find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name));
        Linker.Option[] options = Arrays.copyOf(more, more.length + 1);
        options[more.length] = Linker.Option.captureCallState("errno");
        return LINKER.downcallHandle(address, descriptor, options);
    }
}
