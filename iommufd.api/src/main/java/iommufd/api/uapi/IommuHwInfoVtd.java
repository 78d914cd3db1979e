package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct iommu_hw_info_vtd} of {@code linux/iommufd.h} (Linux 7.3), native byte order. What VT-d hardware can do. */
public final class IommuHwInfoVtd {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_info_vtd";

    /** {@code flags}: {@link #IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 4;
    /** {@code cap_reg}: Capability register. */
    public static final int CAP_REG_OFFSET = 8;
    /** {@code ecap_reg}: Extended Capability register. */
    public static final int ECAP_REG_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;

    /** Read-only second-stage mappings must not be nested on. */
    public static final int IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0;

    private IommuHwInfoVtd() {}

    /** {@code flags}: {@link #IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17}. */
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

    /** {@code cap_reg}: Capability register. */
    public static long capReg(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, CAP_REG_OFFSET);
    }

    /** Stores {@code cap_reg}. */
    public static void capReg(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, CAP_REG_OFFSET, value);
    }

    /** {@code ecap_reg}: Extended Capability register. */
    public static long ecapReg(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, ECAP_REG_OFFSET);
    }

    /** Stores {@code ecap_reg}. */
    public static void ecapReg(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, ECAP_REG_OFFSET, value);
    }
}
