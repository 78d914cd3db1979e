package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_ioas_map_file} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Maps a file. Argument of
 * {@code IOMMU_IOAS_MAP_FILE}.
 */
public final class IommuIoasMapFile {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_ioas_map_file";
    /** Request number: {@code _IO(';', 0x8f)}. */
    public static final int IOMMU_IOAS_MAP_FILE = 0x3B8F;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: of {@link IommuIoasMap}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code ioas_id}: address space. */
    public static final int IOAS_ID_OFFSET = 8;
    /** {@code fd}: file. */
    public static final int FD_OFFSET = 12;
    /** {@code start}: offset in the file. */
    public static final int START_OFFSET = 16;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 24;
    /** {@code iova}: where, or where it was put. */
    public static final int IOVA_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code iova}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;

    private IommuIoasMapFile() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: of {@link IommuIoasMap}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code ioas_id}: address space. */
    public static int ioasId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET);
    }

    /** Stores {@code ioas_id}. */
    public static void ioasId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, IOAS_ID_OFFSET, value);
    }

    /** {@code fd}: file. */
    public static int fd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FD_OFFSET);
    }

    /** Stores {@code fd}. */
    public static void fd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FD_OFFSET, value);
    }

    /** {@code start}: offset in the file. */
    public static long start(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET);
    }

    /** Stores {@code start}. */
    public static void start(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, START_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code iova}: where, or where it was put. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** Stores {@code iova}. */
    public static void iova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET, value);
    }
}
