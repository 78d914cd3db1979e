package iommu.mock.hardware;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.NestedDomain;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;

/** A nested table: four numbers that stand for cached translations, which invalidation sets to 0. */
public final class MockNested implements NestedDomain {
    /** MOCK_NESTED_DOMAIN_IOTLB_NUM. */
    private static final int IOTLB_ENTRIES = 4;
    private static final int IOTLB_ID_OFFSET = 4;

    private final Optional<MockViommu> viommu;
    /** Guarded by itself. */
    private final int[] iotlb = new int[IOTLB_ENTRIES];

    MockNested(NestedTable table, Optional<MockViommu> viommu) {
        if (table.type() != VendorData.TABLE) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the mock IOMMU knows no nested table of type 0x%x".formatted(table.type()));
        }
        this.viommu = viommu;
        Arrays.fill(iotlb, VendorData.int32(VendorData.struct(table, VendorData.TABLE_MIN_BYTES, VendorData.TABLE_BYTES), 0));
    }

    /** Whose numbers devices have in it. */
    Optional<MockViommu> viommu() {
        return viommu;
    }

    /** What stands for a cached translation. @return empty if there is no entry of that number */
    public Optional<Integer> cached(int entry) {
        synchronized (iotlb) {
            return Integer.compareUnsigned(entry, IOTLB_ENTRIES) < 0 ? Optional.of(iotlb[entry]) : Optional.empty();
        }
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        if (entries.dataType() != VendorData.TABLE_INVALIDATION) {
            throw new IommufdException(Errno.EINVAL, "the mock IOMMU knows no invalidation of type 0x%x".formatted(entries.dataType()));
        }
        for (int i = 0; i < entries.count(); i++) {
            Optional<Errno> refusal = entries.entryBytes() != VendorData.TABLE_INVALIDATION_BYTES ? Optional.of(Errno.EINVAL)
                    : invalidate(entries.bytes().asSlice((long) i * entries.entryBytes(), entries.entryBytes()));
            if (refusal.isPresent()) {
                return new InvalidationResult(i, refusal);
            }
        }
        return InvalidationResult.complete(entries.count());
    }

    private Optional<Errno> invalidate(MemorySegment entry) {
        int flags = VendorData.int32(entry, 0);
        int id = VendorData.int32(entry, IOTLB_ID_OFFSET);
        if ((flags & ~VendorData.INVALIDATE_ALL) != 0) {
            return Optional.of(Errno.EOPNOTSUPP);
        }
        if (Integer.compareUnsigned(id, IOTLB_ENTRIES) >= 0) {
            return Optional.of(Errno.EINVAL);
        }
        synchronized (iotlb) {
            if (flags == VendorData.INVALIDATE_ALL) {
                Arrays.fill(iotlb, 0);
            } else {
                iotlb[id] = 0;
            }
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        // nothing but numbers
    }
}
