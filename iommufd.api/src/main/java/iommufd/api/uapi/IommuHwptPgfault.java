package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_pgfault} of {@code linux/iommufd.h} (Linux 7.3), native byte order. An IO page fault, as read
 * from a fault queue.
 */
public final class IommuHwptPgfault {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_pgfault";

    /** {@code flags}: {@code enum iommu_hwpt_pgfault_flags}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code dev_id}: device. */
    public static final int DEV_ID_OFFSET = 4;
    /** {@code pasid}: PASID, if valid. */
    public static final int PASID_OFFSET = 8;
    /** {@code grpid}: page-request group index. */
    public static final int GRPID_OFFSET = 12;
    /** {@code perm}: {@code enum iommu_hwpt_pgfault_perm}. */
    public static final int PERM_OFFSET = 16;
    /** {@code __reserved}: must be 0. */
    public static final int RESERVED_OFFSET = 20;
    /** {@code addr}: faulting address. */
    public static final int ADDR_OFFSET = 24;
    /** {@code length}: hint of how much is likely to be needed. */
    public static final int LENGTH_OFFSET = 32;
    /** {@code cookie}: answers the group. */
    public static final int COOKIE_OFFSET = 36;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;

    /** There is a PASID. */
    public static final int IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0;
    /** The group ends here. */
    public static final int IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1;
    /** To read. */
    public static final int IOMMU_PGFAULT_PERM_READ = 1 << 0;
    /** To write. */
    public static final int IOMMU_PGFAULT_PERM_WRITE = 1 << 1;
    /** To execute. */
    public static final int IOMMU_PGFAULT_PERM_EXEC = 1 << 2;
    /** In privileged mode. */
    public static final int IOMMU_PGFAULT_PERM_PRIV = 1 << 3;

    private IommuHwptPgfault() {}

    /** {@code flags}: {@code enum iommu_hwpt_pgfault_flags}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code dev_id}: device. */
    public static int devId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET);
    }

    /** Stores {@code dev_id}. */
    public static void devId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEV_ID_OFFSET, value);
    }

    /** {@code pasid}: PASID, if valid. */
    public static int pasid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PASID_OFFSET);
    }

    /** Stores {@code pasid}. */
    public static void pasid(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PASID_OFFSET, value);
    }

    /** {@code grpid}: page-request group index. */
    public static int grpid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, GRPID_OFFSET);
    }

    /** Stores {@code grpid}. */
    public static void grpid(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, GRPID_OFFSET, value);
    }

    /** {@code perm}: {@code enum iommu_hwpt_pgfault_perm}. */
    public static int perm(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PERM_OFFSET);
    }

    /** Stores {@code perm}. */
    public static void perm(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PERM_OFFSET, value);
    }

    /** {@code __reserved}: must be 0. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code __reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }

    /** {@code addr}: faulting address. */
    public static long addr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET);
    }

    /** Stores {@code addr}. */
    public static void addr(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, ADDR_OFFSET, value);
    }

    /** {@code length}: hint of how much is likely to be needed. */
    public static int length(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, LENGTH_OFFSET);
    }

    /** Stores {@code length}. */
    public static void length(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, LENGTH_OFFSET, value);
    }

    /** {@code cookie}: answers the group. */
    public static int cookie(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COOKIE_OFFSET);
    }

    /** Stores {@code cookie}. */
    public static void cookie(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COOKIE_OFFSET, value);
    }
}
