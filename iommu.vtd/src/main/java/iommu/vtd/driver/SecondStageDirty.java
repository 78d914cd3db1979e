package iommu.vtd.driver;

import iommu.common.table.DirtyTableReader;
import iommu.common.table.RadixTable;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;

/** Dirty bits of a second stage (§3.7.2). Pages that are reported clean again are invalidated, so that the next write marks. */
final class SecondStageDirty implements DirtyTracking {
    private final VtdDomain domain;
    private final DirtyTableReader reader;
    private final long lastInTable;

    SecondStageDirty(VtdDomain domain, RadixTable table) {
        this.domain = domain;
        reader = table.dirtyReader();
        lastInTable = table.format().inputLast();
    }

    @Override
    public void setEnabled(boolean enabled) {
        if (enabled) {
            reader.forget(0, lastInTable);
            domain.invalidate(0, lastInTable, true);
        }
        domain.track(enabled);
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        if (Long.compareUnsigned(iova, lastInTable) > 0) {
            return;
        }
        long last = Long.compareUnsigned(lastIova, lastInTable) < 0 ? lastIova : lastInTable;
        Extent extent = new Extent(sink);
        if (reader.read(iova, last, clear, extent) && clear) {
            domain.invalidate(extent.first, extent.last, true);
        }
    }

    /** What was reported: entries may reach beyond the range that was asked for, and all of each must be invalidated. */
    private static final class Extent implements DirtySink {
        private final DirtySink sink;
        private long first = -1L;
        private long last;

        Extent(DirtySink sink) {
            this.sink = sink;
        }

        @Override
        public void dirty(long iova, long lengthBytes) {
            if (Long.compareUnsigned(iova, first) < 0) {
                first = iova;
            }
            last = iova + lengthBytes - 1;
            sink.dirty(iova, lengthBytes);
        }
    }
}
