package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_s390_zpci_invalidate}, native byte order: a guest's RPCIT, for {@code IOMMU_HWPT_INVALIDATE} of a table of
 * {@link IommuHwptS390Zpci}; this project's own as well.
 */
public final class IommuHwptS390ZpciInvalidate {
    /** Name of the struct. */
    public static final String STRUCT = "iommu_hwpt_s390_zpci_invalidate";

    /** {@code addr}: first address. */
    public static final int ADDR_OFFSET = 0;
    /** {@code length}: bytes, unsigned; the range may reach beyond the end of all addresses. */
    public static final int LENGTH_OFFSET = 8;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 16;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 20;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;

    /** {@code data_type} of {@link IommuHwptInvalidate} for it. */
    public static final int IOMMU_HWPT_INVALIDATE_DATA_S390_ZPCI = 0x7339_0001;

    private IommuHwptS390ZpciInvalidate() {}

    /** {@code addr}: first address. */
    public static long addr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET);
    }

    /** Stores {@code addr}. */
    public static void addr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET, value);
    }

    /** {@code length}: bytes, unsigned; the range may reach beyond the end of all addresses. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
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
