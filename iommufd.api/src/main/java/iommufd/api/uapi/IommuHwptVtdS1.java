package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_vtd_s1} of {@code linux/iommufd.h} (Linux 7.3), native byte order. A first-stage table of
 * VT-d.
 */
public final class IommuHwptVtdS1 {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_vtd_s1";

    /** {@code flags}: {@code enum iommu_hwpt_vtd_s1_flags}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code pgtbl_addr}: guest-physical address of the top table. */
    public static final int PGTBL_ADDR_OFFSET = 8;
    /** {@code addr_width}: bits of input addresses. */
    public static final int ADDR_WIDTH_OFFSET = 16;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 20;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;

    /** Supervisor requests. */
    public static final int IOMMU_VTD_S1_SRE = 1 << 0;
    /** Extended access flag. */
    public static final int IOMMU_VTD_S1_EAFE = 1 << 1;
    /** Write protect. */
    public static final int IOMMU_VTD_S1_WPE = 1 << 2;

    private IommuHwptVtdS1() {}

    /** {@code flags}: {@code enum iommu_hwpt_vtd_s1_flags}. */
    public static long flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code pgtbl_addr}: guest-physical address of the top table. */
    public static long pgtblAddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PGTBL_ADDR_OFFSET);
    }

    /** Stores {@code pgtbl_addr}. */
    public static void pgtblAddr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PGTBL_ADDR_OFFSET, value);
    }

    /** {@code addr_width}: bits of input addresses. */
    public static int addrWidth(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ADDR_WIDTH_OFFSET);
    }

    /** Stores {@code addr_width}. */
    public static void addrWidth(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ADDR_WIDTH_OFFSET, value);
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
