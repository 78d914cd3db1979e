package iommufd.core.fake;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PagingDomain;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A first stage that only adds a number to each address: data type 1, eight bytes. */
final class FakeNestedDomain implements NestedDomain {
    final FakePagingDomain parent;
    final long offset;
    volatile int invalidations;

    private FakeNestedDomain(FakePagingDomain parent, long offset) {
        this.parent = parent;
        this.offset = offset;
    }

    static FakeNestedDomain of(FakeHardware hardware, PagingDomain parent, NestedTable table) {
        if (table.type() != 1) {
            throw new IommufdException(Errno.EOPNOTSUPP, "unknown nested type " + table.type());
        }
        if (table.lengthBytes() != Long.BYTES) {
            throw new IommufdException(Errno.EINVAL, "malformed nested table");
        }
        FakePagingDomain second = (FakePagingDomain) parent;
        if (!second.nestParent() || second.hardware != hardware) {
            throw new IllegalArgumentException("not a nest parent of this hardware");
        }
        return new FakeNestedDomain(second, ByteBuffer.wrap(table.bytes()).order(ByteOrder.nativeOrder()).getLong());
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        parent.hardware.sabotage.step("invalidate");
        if (entries.dataType() != 1) {
            throw new IommufdException(Errno.EINVAL, "unknown invalidation type " + entries.dataType());
        }
        entries.bytes();
        invalidations += entries.count();
        return InvalidationResult.complete(entries.count());
    }

    @Override
    public void close() {
        parent.hardware.sabotage.step("closeNested");
    }
}
