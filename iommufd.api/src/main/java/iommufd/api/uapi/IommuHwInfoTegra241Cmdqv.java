package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hw_info_tegra241_cmdqv} of {@code linux/iommufd.h} (Linux 7.3), native byte order. What the
 * command queue virtualisation of Tegra241 can do.
 */
public final class IommuHwInfoTegra241Cmdqv {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_info_tegra241_cmdqv";

    /** {@code flags}: 0. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code version}: version. */
    public static final int VERSION_OFFSET = 4;
    /** {@code log2vcmdqs}: virtual command queues, base-2 logarithm. */
    public static final int LOG2VCMDQS_OFFSET = 5;
    /** {@code log2vsids}: virtual stream ids, base-2 logarithm. */
    public static final int LOG2VSIDS_OFFSET = 6;
    /** {@code __reserved}: 0. */
    public static final int RESERVED_OFFSET = 7;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;

    private IommuHwInfoTegra241Cmdqv() {}

    /** {@code flags}: 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code version}: version. */
    public static byte version(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, VERSION_OFFSET);
    }

    /** Stores {@code version}. */
    public static void version(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, VERSION_OFFSET, value);
    }

    /** {@code log2vcmdqs}: virtual command queues, base-2 logarithm. */
    public static byte log2vcmdqs(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, LOG2VCMDQS_OFFSET);
    }

    /** Stores {@code log2vcmdqs}. */
    public static void log2vcmdqs(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, LOG2VCMDQS_OFFSET, value);
    }

    /** {@code log2vsids}: virtual stream ids, base-2 logarithm. */
    public static byte log2vsids(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, LOG2VSIDS_OFFSET);
    }

    /** Stores {@code log2vsids}. */
    public static void log2vsids(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, LOG2VSIDS_OFFSET, value);
    }

    /** {@code __reserved}: 0. */
    public static byte reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, RESERVED_OFFSET, value);
    }
}
