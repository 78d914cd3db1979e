package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_region_info_cap_sparse_mmap} of {@code linux/vfio.h} (Linux 7.3), native byte order: the parts of a
 * region that can be mapped, which follow.
 */
public final class VfioRegionInfoCapSparseMmap {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_region_info_cap_sparse_mmap";

    /** {@code header.id}: which capability. */
    public static final int HEADER_ID_OFFSET = 0;
    /** {@code header.version}: of its layout. */
    public static final int HEADER_VERSION_OFFSET = 2;
    /** {@code header.next}: offset of the next one. */
    public static final int HEADER_NEXT_OFFSET = 4;
    /** {@code nr_areas}: how many follow. */
    public static final int NR_AREAS_OFFSET = 8;
    /** {@code reserved}: 0. */
    public static final int RESERVED_OFFSET = 12;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;

    private VfioRegionInfoCapSparseMmap() {}

    /** {@code header.id}: which capability. */
    public static short headerId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, HEADER_ID_OFFSET);
    }

    /** Stores {@code header.id}. */
    public static void headerId(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, HEADER_ID_OFFSET, value);
    }

    /** {@code header.version}: of its layout. */
    public static short headerVersion(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, HEADER_VERSION_OFFSET);
    }

    /** Stores {@code header.version}. */
    public static void headerVersion(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, HEADER_VERSION_OFFSET, value);
    }

    /** {@code header.next}: offset of the next one. */
    public static int headerNext(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, HEADER_NEXT_OFFSET);
    }

    /** Stores {@code header.next}. */
    public static void headerNext(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, HEADER_NEXT_OFFSET, value);
    }

    /** {@code nr_areas}: how many follow. */
    public static int nrAreas(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NR_AREAS_OFFSET);
    }

    /** Stores {@code nr_areas}. */
    public static void nrAreas(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NR_AREAS_OFFSET, value);
    }

    /** {@code reserved}: 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
