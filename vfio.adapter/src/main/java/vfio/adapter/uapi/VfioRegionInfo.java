package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_region_info} of {@code linux/vfio.h} (Linux 7.3), native byte order: what a region is. Argument of
 * {@code VFIO_DEVICE_GET_REGION_INFO}.
 */
public final class VfioRegionInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_region_info";
    /** Request number: {@code _IO(';', 108)}. */
    public static final int VFIO_DEVICE_GET_REGION_INFO = 0x3B6C;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_REGION_INFO_FLAG_}, answered. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code index}: which region. */
    public static final int INDEX_OFFSET = 8;
    /** {@code cap_offset}: where capabilities begin, answered. */
    public static final int CAP_OFFSET_OFFSET = 12;
    /** {@code size}: bytes, answered. */
    public static final int SIZE_OFFSET = 16;
    /** {@code offset}: of its first byte in the file, answered. */
    public static final int OFFSET_OFFSET = 24;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 32;
    /** Through {@code offset}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 32;

    /** It can be read. */
    public static final int VFIO_REGION_INFO_FLAG_READ = 1;
    /** It can be written. */
    public static final int VFIO_REGION_INFO_FLAG_WRITE = 2;
    /** It can be mapped. */
    public static final int VFIO_REGION_INFO_FLAG_MMAP = 4;
    /** There are capabilities. */
    public static final int VFIO_REGION_INFO_FLAG_CAPS = 8;
    /** Capability: only parts can be mapped. */
    public static final int VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
    /** Capability: the MSI-X table can be mapped too. */
    public static final int VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;
    /** First base address register. */
    public static final int VFIO_PCI_BAR0_REGION_INDEX = 0;
    /** Last base address register. */
    public static final int VFIO_PCI_BAR5_REGION_INDEX = 5;
    /** Expansion ROM. */
    public static final int VFIO_PCI_ROM_REGION_INDEX = 6;
    /** Configuration space. */
    public static final int VFIO_PCI_CONFIG_REGION_INDEX = 7;
    /** Legacy VGA. */
    public static final int VFIO_PCI_VGA_REGION_INDEX = 8;
    /** Regions of a PCI function. */
    public static final int VFIO_PCI_NUM_REGIONS = 9;

    private VfioRegionInfo() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_REGION_INFO_FLAG_}, answered. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code index}: which region. */
    public static int index(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET);
    }

    /** Stores {@code index}. */
    public static void index(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET, value);
    }

    /** {@code cap_offset}: where capabilities begin, answered. */
    public static int capOffset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET);
    }

    /** Stores {@code cap_offset}. */
    public static void capOffset(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET, value);
    }

    /** {@code size}: bytes, answered. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** Stores {@code size}. */
    public static void size(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET, value);
    }

    /** {@code offset}: of its first byte in the file, answered. */
    public static long offset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET);
    }

    /** Stores {@code offset}. */
    public static void offset(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET_OFFSET, value);
    }
}
