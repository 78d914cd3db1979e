package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_s390_zpci}, native byte order: a guest's zPCI tables, for {@code IOMMU_HWPT_ALLOC} over a paging table. It is
 * this project's own: Linux 7.3 nests no zPCI. Its number lies where Linux's do not come soon. The tables lie in the guest's memory, with
 * the guest's absolute addresses in them, which are IOVA of the paging table.
 */
public final class IommuHwptS390Zpci {
    /** Name of the struct. */
    public static final String STRUCT = "iommu_hwpt_s390_zpci";

    /** {@code iota}: the guest's I/O translation anchor: with translation, and a table's designation type. */
    public static final int IOTA_OFFSET = 0;
    /** {@code pba}: PCI base address: lowest address of DMA; the low 12 bits count as zeros. */
    public static final int PBA_OFFSET = 8;
    /** {@code pal}: PCI address limit: highest address of DMA; the low 12 bits count as ones. */
    public static final int PAL_OFFSET = 16;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 24;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 28;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 32;

    /** {@code data_type} of {@link IommuHwptAlloc} for it. */
    public static final int IOMMU_HWPT_DATA_S390_ZPCI = 0x7339_0001;

    private IommuHwptS390Zpci() {}

    /** {@code iota}: the guest's I/O translation anchor: with translation, and a table's designation type. */
    public static long iota(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOTA_OFFSET);
    }

    /** Stores {@code iota}. */
    public static void iota(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, IOTA_OFFSET, value);
    }

    /** {@code pba}: PCI base address: lowest address of DMA; the low 12 bits count as zeros. */
    public static long pba(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PBA_OFFSET);
    }

    /** Stores {@code pba}. */
    public static void pba(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PBA_OFFSET, value);
    }

    /** {@code pal}: PCI address limit: highest address of DMA; the low 12 bits count as ones. */
    public static long pal(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, PAL_OFFSET);
    }

    /** Stores {@code pal}. */
    public static void pal(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, PAL_OFFSET, value);
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
