package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hw_queue_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Hands a queue in guest
 * memory to hardware. Argument of {@code IOMMU_HW_QUEUE_ALLOC}.
 */
public final class IommuHwQueueAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hw_queue_alloc";
    /** Request number: {@code _IO(';', 0x94)}. */
    public static final int IOMMU_HW_QUEUE_ALLOC = 0x3B94;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code viommu_id}: vIOMMU. */
    public static final int VIOMMU_ID_OFFSET = 8;
    /** {@code type}: {@code enum iommu_hw_queue_type}. */
    public static final int TYPE_OFFSET = 12;
    /** {@code index}: number of the queue. */
    public static final int INDEX_OFFSET = 16;
    /** {@code out_hw_queue_id}: the new object. */
    public static final int OUT_HW_QUEUE_ID_OFFSET = 20;
    /** {@code nesting_parent_iova}: where it lies in the parent's address space. */
    public static final int NESTING_PARENT_IOVA_OFFSET = 24;
    /** {@code length}: bytes. */
    public static final int LENGTH_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** Through {@code length}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;

    /** None. */
    public static final int IOMMU_HW_QUEUE_TYPE_DEFAULT = 0;
    /** A virtual command queue of Tegra241. */
    public static final int IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1;

    private IommuHwQueueAlloc() {}

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

    /** {@code type}: {@code enum iommu_hw_queue_type}. */
    public static int type(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET);
    }

    /** Stores {@code type}. */
    public static void type(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, TYPE_OFFSET, value);
    }

    /** {@code index}: number of the queue. */
    public static int index(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET);
    }

    /** Stores {@code index}. */
    public static void index(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET, value);
    }

    /** {@code out_hw_queue_id}: the new object. */
    public static int outHwQueueId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_HW_QUEUE_ID_OFFSET);
    }

    /** Stores {@code out_hw_queue_id}. */
    public static void outHwQueueId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_HW_QUEUE_ID_OFFSET, value);
    }

    /** {@code nesting_parent_iova}: where it lies in the parent's address space. */
    public static long nestingParentIova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, NESTING_PARENT_IOVA_OFFSET);
    }

    /** Stores {@code nesting_parent_iova}. */
    public static void nestingParentIova(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, NESTING_PARENT_IOVA_OFFSET, value);
    }

    /** {@code length}: bytes. */
    public static long length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, LENGTH_OFFSET, value);
    }
}
