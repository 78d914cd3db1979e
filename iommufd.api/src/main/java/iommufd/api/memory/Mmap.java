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

/** The few system calls behind {@link HostMemory} (mmap(2), memfd_create(2), madvise(2)), by Java's foreign function API. */
final class Mmap {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_SHARED = 0x01;
    private static final int MAP_PRIVATE = 0x02;
    private static final int MAP_FIXED = 0x10;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_HUGEPAGE = 14;
    private static final int MFD_CLOEXEC = 1;
    private static final long MAP_FAILED = -1L;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CALL_STATE.varHandle(StructLayout.PathElement.groupElement("errno"));
    private static final MethodHandle MMAP = function("mmap",
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MADVISE = function("madvise",
            FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MEMFD_CREATE = function("memfd_create",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));

    /** An empty file: every access to a mapping of it is a bus error, unlike the segmentation fault of PROT_NONE. */
    private static final int HOLE_FILE = createHoleFile();

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

    private static long map(long address, long lengthBytes, int flags, int fileDescriptor, long fileOffset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            long mapped = (long) MMAP.invokeExact(state, address, lengthBytes, PROT_READ_WRITE, flags, fileDescriptor, fileOffset);
            if (mapped == MAP_FAILED) {
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

    private static int createHoleFile() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            int file = (int) MEMFD_CREATE.invokeExact(state, arena.allocateFrom("iommufd-hole"), MFD_CLOEXEC);
            if (file < 0) {
                throw new IommufdException(Errno.ENOMEM, "memfd_create failed with errno " + (int) ERRNO.get(state, 0L));
            }
            return file;
        } catch (RuntimeException | Error unchecked) {
            throw unchecked;
        } catch (Throwable checked) {
            throw new AssertionError("memfd_create throws nothing checked", checked);
        }
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        MemorySegment address = LINKER.defaultLookup().find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name));
        return LINKER.downcallHandle(address, descriptor, Linker.Option.captureCallState("errno"));
    }
}
