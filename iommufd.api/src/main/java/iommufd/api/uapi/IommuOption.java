package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_option} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Reads or sets an option.
 * Argument of {@code IOMMU_OPTION}.
 */
public final class IommuOption {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_option";
    /** Request number: {@code _IO(';', 0x87)}. */
    public static final int IOMMU_OPTION = 0x3B87;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code option_id}: {@code enum iommufd_option}. */
    public static final int OPTION_ID_OFFSET = 4;
    /** {@code op}: {@code enum iommufd_option_ops}. */
    public static final int OP_OFFSET = 8;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 10;
    /** {@code object_id}: object it belongs to; 0 for the whole context. */
    public static final int OBJECT_ID_OFFSET = 12;
    /** {@code val64}: value. */
    public static final int VAL64_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code val64}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    /** Who is charged for pinned memory: 0 the user, 1 the process. */
    public static final int IOMMU_OPTION_RLIMIT_MODE = 0;
    /** Whether an address space may use large IO page-table entries. */
    public static final int IOMMU_OPTION_HUGE_PAGES = 1;
    /** Sets. */
    public static final int IOMMU_OPTION_OP_SET = 0;
    /** Reads. */
    public static final int IOMMU_OPTION_OP_GET = 1;

    private IommuOption() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code option_id}: {@code enum iommufd_option}. */
    public static int optionId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OPTION_ID_OFFSET);
    }

    /** Stores {@code option_id}. */
    public static void optionId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OPTION_ID_OFFSET, value);
    }

    /** {@code op}: {@code enum iommufd_option_ops}. */
    public static short op(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, OP_OFFSET);
    }

    /** Stores {@code op}. */
    public static void op(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, OP_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static short reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code object_id}: object it belongs to; 0 for the whole context. */
    public static int objectId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OBJECT_ID_OFFSET);
    }

    /** Stores {@code object_id}. */
    public static void objectId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OBJECT_ID_OFFSET, value);
    }

    /** {@code val64}: value. */
    public static long val64(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, VAL64_OFFSET);
    }

    /** Stores {@code val64}. */
    public static void val64(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, VAL64_OFFSET, value);
    }
}
