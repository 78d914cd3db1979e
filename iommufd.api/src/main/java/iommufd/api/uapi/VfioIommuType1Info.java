package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_iommu_type1_info} of {@code linux/vfio.h} (Linux 7.3), native byte order. Tells about a container.
 * Capabilities follow, {@link VfioInfoCapHeader}. Argument of {@code VFIO_IOMMU_GET_INFO}.
 */
public final class VfioIommuType1Info {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_iommu_type1_info";
    /** Request number: {@code _IO(';', 0x70)}. */
    public static final int VFIO_IOMMU_GET_INFO = 0x3B70;

    /** {@code argsz}: room; then how much there is. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_IOMMU_INFO_…}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code iova_pgsizes}: a bit per page size. */
    public static final int IOVA_PGSIZES_OFFSET = 8;
    /** {@code cap_offset}: offset of the first capability; 0 for none. */
    public static final int CAP_OFFSET_OFFSET = 16;
    /** {@code pad}: 0. */
    public static final int PAD_OFFSET = 20;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code iova_pgsizes}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    /** The page sizes are there. */
    public static final int VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
    /** There are capabilities. */
    public static final int VFIO_IOMMU_INFO_CAPS = 1 << 1;

    private VfioIommuType1Info() {}

    /** {@code argsz}: room; then how much there is. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_IOMMU_INFO_…}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code iova_pgsizes}: a bit per page size. */
    public static long iovaPgsizes(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_PGSIZES_OFFSET);
    }

    /** Stores {@code iova_pgsizes}. */
    public static void iovaPgsizes(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_PGSIZES_OFFSET, value);
    }

    /** {@code cap_offset}: offset of the first capability; 0 for none. */
    public static int capOffset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET);
    }

    /** Stores {@code cap_offset}. */
    public static void capOffset(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET, value);
    }

    /** {@code pad}: 0. */
    public static int pad(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PAD_OFFSET);
    }

    /** Stores {@code pad}. */
    public static void pad(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PAD_OFFSET, value);
    }
}
