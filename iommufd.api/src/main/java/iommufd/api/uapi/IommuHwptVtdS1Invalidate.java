package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_vtd_s1_invalidate} of {@code linux/iommufd.h} (Linux 7.3), native byte order. An invalidation
 * request for a first-stage table of VT-d.
 */
public final class IommuHwptVtdS1Invalidate {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_vtd_s1_invalidate";

    /** {@code addr}: start. */
    public static final int ADDR_OFFSET = 0;
    /** {@code npages}: pages; all ones for everything. */
    public static final int NPAGES_OFFSET = 8;
    /** {@code flags}: {@link #IOMMU_VTD_INV_FLAGS_LEAF}. */
    public static final int FLAGS_OFFSET = 16;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 20;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;

    /** Only leaf entries. */
    public static final int IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0;

    private IommuHwptVtdS1Invalidate() {}

    /** {@code addr}: start. */
    public static long addr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET);
    }

    /** Stores {@code addr}. */
    public static void addr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET, value);
    }

    /** {@code npages}: pages; all ones for everything. */
    public static long npages(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, NPAGES_OFFSET);
    }

    /** Stores {@code npages}. */
    public static void npages(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, NPAGES_OFFSET, value);
    }

    /** {@code flags}: {@link #IOMMU_VTD_INV_FLAGS_LEAF}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
