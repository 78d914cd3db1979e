package iommu.mock.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.VendorStructure;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Numbers and structures of {@code iommufd_test.h} that pass through the engine unread. */
public final class VendorData {
    /** IOMMU_HW_INFO_TYPE_SELFTEST. */
    public static final int HARDWARE_INFO = 0xfeedbeef;
    /** IOMMU_HW_INFO_SELFTEST_REGVAL. */
    static final int REGISTER_VALUE = 0xdeadbeef;
    /** IOMMU_HWPT_DATA_SELFTEST: {u32 iotlb, pagetable_type}. */
    public static final int TABLE = 0xdead;
    static final int TABLE_BYTES = 8;
    static final int TABLE_MIN_BYTES = 4;
    /** IOMMU_HWPT_INVALIDATE_DATA_SELFTEST: {u32 flags, iotlb_id}. */
    public static final int TABLE_INVALIDATION = 0xdeadbeef;
    static final int TABLE_INVALIDATION_BYTES = 8;
    /** IOMMU_VIOMMU_TYPE_SELFTEST: {u32 in_data, out_data; u64 out_mmap_offset, out_mmap_length}. */
    public static final int VIOMMU = 0xdeadbeef;
    static final int VIOMMU_BYTES = 24;
    static final int VIOMMU_MIN_BYTES = 8;
    /** IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST: {u32 flags, vdev_id, cache_id}. */
    public static final int VIOMMU_INVALIDATION = 0xdeadbeef;
    static final int VIOMMU_INVALIDATION_BYTES = 12;
    /** IOMMU_TEST_INVALIDATE_FLAG_ALL. */
    static final int INVALIDATE_ALL = 1;
    /** IOMMU_VEVENTQ_TYPE_SELFTEST: {u32 virt_id}. */
    public static final int EVENT = 0xbeefbeef;
    /** IOMMU_HW_QUEUE_TYPE_SELFTEST. */
    public static final int QUEUE = 0xdeadbeef;

    private VendorData() {}

    /** A structure a client passed, zero-filled. @throws IommufdException {@link Errno#EINVAL} for a length outside the bounds */
    static MemorySegment struct(VendorStructure structure, int minBytes, int bytes) {
        if (structure.lengthBytes() < minBytes || structure.lengthBytes() > bytes) {
            throw new IommufdException(Errno.EINVAL, "the structure has %d to %d bytes, not %d".formatted(minBytes, bytes, structure.lengthBytes()));
        }
        byte[] passed = structure.bytes();
        MemorySegment struct = MemorySegment.ofArray(new byte[bytes]);
        MemorySegment.copy(MemorySegment.ofArray(passed), 0, struct, 0, passed.length);
        return struct;
    }

    static int int32(MemorySegment struct, long offset) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
    }
}
