package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_fault_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Makes a queue of IO page
 * faults. Argument of {@code IOMMU_FAULT_QUEUE_ALLOC}.
 */
public final class IommuFaultAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_fault_alloc";
    /** Request number: {@code _IO(';', 0x8e)}. */
    public static final int IOMMU_FAULT_QUEUE_ALLOC = 0x3B8E;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code out_fault_id}: the new object. */
    public static final int OUT_FAULT_ID_OFFSET = 8;
    /** {@code out_fault_fd}: its file. */
    public static final int OUT_FAULT_FD_OFFSET = 12;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;
    /** Through {@code out_fault_fd}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    private IommuFaultAlloc() {}

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

    /** {@code out_fault_id}: the new object. */
    public static int outFaultId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_FAULT_ID_OFFSET);
    }

    /** Stores {@code out_fault_id}. */
    public static void outFaultId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_FAULT_ID_OFFSET, value);
    }

    /** {@code out_fault_fd}: its file. */
    public static int outFaultFd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_FAULT_FD_OFFSET);
    }

    /** Stores {@code out_fault_fd}. */
    public static void outFaultFd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_FAULT_FD_OFFSET, value);
    }
}
