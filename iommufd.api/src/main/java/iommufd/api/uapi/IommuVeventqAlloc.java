package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_veventq_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Makes a queue of a
 * vIOMMU's events. Argument of {@code IOMMU_VEVENTQ_ALLOC}.
 */
public final class IommuVeventqAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_veventq_alloc";
    /** Request number: {@code _IO(';', 0x93)}. */
    public static final int IOMMU_VEVENTQ_ALLOC = 0x3B93;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code viommu_id}: vIOMMU. */
    public static final int VIOMMU_ID_OFFSET = 8;
    /** {@code type}: {@code enum iommu_veventq_type}. */
    public static final int TYPE_OFFSET = 12;
    /** {@code veventq_depth}: events it holds. */
    public static final int VEVENTQ_DEPTH_OFFSET = 16;
    /** {@code out_veventq_id}: the new object. */
    public static final int OUT_VEVENTQ_ID_OFFSET = 20;
    /** {@code out_veventq_fd}: its file. */
    public static final int OUT_VEVENTQ_FD_OFFSET = 24;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 28;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code out_veventq_fd}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 28;

    /** None. */
    public static final int IOMMU_VEVENTQ_TYPE_DEFAULT = 0;
    /** {@link IommuVeventArmSmmuv3}. */
    public static final int IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1;
    /** {@link IommuVeventTegra241Cmdqv}. */
    public static final int IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2;

    private IommuVeventqAlloc() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code viommu_id}: vIOMMU. */
    public static int viommuId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, VIOMMU_ID_OFFSET);
    }

    /** Stores {@code viommu_id}. */
    public static void viommuId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, VIOMMU_ID_OFFSET, value);
    }

    /** {@code type}: {@code enum iommu_veventq_type}. */
    public static int type(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET);
    }

    /** Stores {@code type}. */
    public static void type(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET, value);
    }

    /** {@code veventq_depth}: events it holds. */
    public static int veventqDepth(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, VEVENTQ_DEPTH_OFFSET);
    }

    /** Stores {@code veventq_depth}. */
    public static void veventqDepth(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, VEVENTQ_DEPTH_OFFSET, value);
    }

    /** {@code out_veventq_id}: the new object. */
    public static int outVeventqId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_VEVENTQ_ID_OFFSET);
    }

    /** Stores {@code out_veventq_id}. */
    public static void outVeventqId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_VEVENTQ_ID_OFFSET, value);
    }

    /** {@code out_veventq_fd}: its file. */
    public static int outVeventqFd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_VEVENTQ_FD_OFFSET);
    }

    /** Stores {@code out_veventq_fd}. */
    public static void outVeventqFd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_VEVENTQ_FD_OFFSET, value);
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
