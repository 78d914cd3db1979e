package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_vdevice_alloc} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Gives a device its
 * number in a guest. Argument of {@code IOMMU_VDEVICE_ALLOC}.
 */
public final class IommuVdeviceAlloc {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_vdevice_alloc";
    /** Request number: {@code _IO(';', 0x91)}. */
    public static final int IOMMU_VDEVICE_ALLOC = 0x3B91;

    /** {@code size}: size of the struct as the caller knows it. */
    public static final int SIZE_OFFSET = 0;
    /** {@code viommu_id}: vIOMMU. */
    public static final int VIOMMU_ID_OFFSET = 4;
    /** {@code dev_id}: device. */
    public static final int DEV_ID_OFFSET = 8;
    /** {@code out_vdevice_id}: the new object. */
    public static final int OUT_VDEVICE_ID_OFFSET = 12;
    /** {@code virt_id}: the number. */
    public static final int VIRT_ID_OFFSET = 16;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code virt_id}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 24;

    private IommuVdeviceAlloc() {}

    /** {@code size}: size of the struct as the caller knows it. */
    public static int size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code viommu_id}: vIOMMU. */
    public static int viommuId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, VIOMMU_ID_OFFSET);
    }

    /** Stores {@code viommu_id}. */
    public static void viommuId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, VIOMMU_ID_OFFSET, value);
    }

    /** {@code dev_id}: device. */
    public static int devId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET);
    }

    /** Stores {@code dev_id}. */
    public static void devId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET, value);
    }

    /** {@code out_vdevice_id}: the new object. */
    public static int outVdeviceId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, OUT_VDEVICE_ID_OFFSET);
    }

    /** Stores {@code out_vdevice_id}. */
    public static void outVdeviceId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_VDEVICE_ID_OFFSET, value);
    }

    /** {@code virt_id}: the number. */
    public static long virtId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, VIRT_ID_OFFSET);
    }

    /** Stores {@code virt_id}. */
    public static void virtId(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, VIRT_ID_OFFSET, value);
    }
}
