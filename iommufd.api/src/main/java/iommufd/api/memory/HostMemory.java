package iommufd.api.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The host's physical address space: one reserved part of this process, in which a physical address is an offset.
 *
 * <p>A constant, sized segment lets the compiler fold its base into every access, and its bounds check keeps any address,
 * however wild, inside. Where nothing is backed an access is a bus error, which the JVM turns into an {@link InternalError},
 * never a crash; whoever follows addresses out of memory asks {@link #isBacked} first. Physical 0 is never backed.
 *
 * <p>Thread-safe. Who uses which part is the business of {@link PhysicalMemory}.
 */
public final class HostMemory {
    /** Size of the physical address space: 8 TiB. */
    public static final long SIZE_BYTES = 1L << 43;
    /** From here on the window shows memory of other processes; below, memory of this one. */
    public static final long CLIENT_MEMORY_START = SIZE_BYTES / 2;
    /** What {@link #backAnonymous}, {@link #backFile} and {@link #unback} are aligned to. */
    public static final long BACKING_BYTES = 1L << BackingMap.GRANULE_LG2;
    /** All of it. Offset = physical address. */
    public static final MemorySegment WINDOW = Mmap.reserve(SIZE_BYTES);

    private static final BackingMap BACKED = new BackingMap(SIZE_BYTES);

    private HostMemory() {}

    /** Whether there is memory at {@code physicalAddress}. A few nanoseconds; for page walks, not for every access. */
    public static boolean isBacked(long physicalAddress) {
        return (physicalAddress & ~(SIZE_BYTES - 1)) == 0 && BACKED.contains(physicalAddress);
    }

    /**
     * Puts zero-filled memory there, taken from the system at first touch.
     *
     * @param physicalAddress not 0; multiple of {@link #BACKING_BYTES}, as {@code lengthBytes}
     * @param hugePages asks the system for 2 MiB pages
     * @throws IommufdException {@link Errno#ENOMEM}; {@link Errno#EINVAL} if misaligned or outside
     */
    public static void backAnonymous(long physicalAddress, long lengthBytes, boolean hugePages) {
        check(physicalAddress, lengthBytes);
        Mmap.anonymous(WINDOW.address() + physicalAddress, lengthBytes, hugePages);
        BACKED.set(physicalAddress, lengthBytes, true);
    }

    /**
     * Puts a part of an open file there, shared.
     *
     * @param lengthBytes multiple of {@link #BACKING_BYTES}; past the file's end there is no memory
     * @throws IommufdException as {@link #backAnonymous}
     */
    public static void backFile(long physicalAddress, long lengthBytes, int fileDescriptor, long fileOffset) {
        check(physicalAddress, lengthBytes);
        Mmap.file(WINDOW.address() + physicalAddress, lengthBytes, fileDescriptor, fileOffset);
        BACKED.set(physicalAddress, lengthBytes, true);
    }

    /**
     * Puts a part of a file there that must not be written. A write, which nobody should make, changes a private copy.
     *
     * @param lengthBytes multiple of {@link #BACKING_BYTES}; past the file's end there is no memory
     * @param fileDescriptor may be read-only
     * @throws IommufdException as {@link #backAnonymous}
     */
    public static void backFileUnwritten(long physicalAddress, long lengthBytes, int fileDescriptor, long fileOffset) {
        check(physicalAddress, lengthBytes);
        Mmap.privateFile(WINDOW.address() + physicalAddress, lengthBytes, fileDescriptor, fileOffset);
        BACKED.set(physicalAddress, lengthBytes, true);
    }

    /** Takes the memory away. Nothing may be on its way to it. */
    public static void unback(long physicalAddress, long lengthBytes) {
        check(physicalAddress, lengthBytes);
        BACKED.set(physicalAddress, lengthBytes, false);
        Mmap.hole(WINDOW.address() + physicalAddress, lengthBytes);
    }

    private static void check(long physicalAddress, long lengthBytes) {
        boolean aligned = ((physicalAddress | lengthBytes) & BACKING_BYTES - 1) == 0;
        if (!aligned || physicalAddress <= 0 || lengthBytes <= 0 || physicalAddress > SIZE_BYTES - lengthBytes) {
            throw new IommufdException(Errno.EINVAL, "no physical range 0x%x + 0x%x can be backed: it must be aligned to 0x%x, not be 0 and end below 0x%x"
                    .formatted(physicalAddress, lengthBytes, BACKING_BYTES, SIZE_BYTES));
        }
    }

    /** A bit per granule. Bits are set before an address is handed out and cleared after its last use. */
    private static final class BackingMap {
        static final int GRANULE_LG2 = 21;
        private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
        private final long[] words;

        BackingMap(long sizeBytes) {
            words = new long[(int) (sizeBytes >>> GRANULE_LG2 + 6)];
        }

        boolean contains(long address) {
            long granule = address >>> GRANULE_LG2;
            return ((long) WORD.getOpaque(words, (int) (granule >>> 6)) & 1L << granule) != 0;
        }

        void set(long address, long lengthBytes, boolean present) {
            long end = address + lengthBytes >>> GRANULE_LG2;
            for (long granule = address >>> GRANULE_LG2; granule < end; granule++) {
                int index = (int) (granule >>> 6);
                if (present) {
                    WORD.getAndBitwiseOr(words, index, 1L << granule);
                } else {
                    WORD.getAndBitwiseAnd(words, index, ~(1L << granule));
                }
            }
        }
    }
}
