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
    private final long largestInside;

    SecondStageDirty(VtdDomain domain, RadixTable table) {
        this.domain = domain;
        reader = table.dirtyReader();
        lastInTable = table.format().inputLast();
        largestInside = Long.highestOneBit(table.format().pageSizes()) - 1;
    }

    @Override
    public void setEnabled(boolean enabled) {
        if (enabled) {
            reader.forget(0, lastInTable);
            domain.invalidateEntries(0, lastInTable, true);
        }
        domain.track(enabled);
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        if (Long.compareUnsigned(iova, lastInTable) > 0) {
            return;
        }
        long last = Long.compareUnsigned(lastIova, lastInTable) < 0 ? lastIova : lastInTable;
        if (reader.read(iova, last, clear, sink) && clear) {
            // An entry may reach beyond the range that was asked for, and all of it must be invalidated.
            domain.invalidateEntries(iova & ~largestInside, Math.min(last | largestInside, lastInTable), true);
        }
    }
}
